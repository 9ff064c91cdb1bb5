"""The queues change under a running mover."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.compare import compare
from testbed.database import value
from testbed.events import Collector
from testbed.processes import Process, wait_until
from testbed.queues import create_queue, insert_event, queue_table, rotate
from tests.moving.holding import hold_table, wait_until_blocked
from tests.moving.pair import Pair


@pytest.fixture
def collector(pair: Pair) -> Iterator[Collector]:
    """A consumer of the target queue."""
    collector = Collector(pair.target_db, pair.target_queue)
    yield collector
    collector.close()


def drain(pair: Pair, collector: Collector) -> None:
    """Let the consumer of the target queue have all that there is."""
    value(pair.target, "select pgq.ticker(%s)", pair.target_queue)
    collector.drain()


def test_a_target_that_fails_leaves_nothing_at_work_on_the_source(pair: Pair) -> None:
    # given a source that needs long for its first row, and a target that gives up soon
    pair.register()
    pair.produce(5)
    table = f"{queue_table(pair.source, pair.queue)}_0"
    impatient = pair.target_db.conninfo(options="-c lock_timeout=300")
    with (
        hold_table(pair.source_db, table),
        hold_table(pair.target_db, f"{queue_table(pair.target, pair.target_queue)}_0"),
        pair.start(dst_db=impatient, loop_delay=0.05, exception_sleep=60) as process,
    ):
        process.wait_for_output("target database not available: canceling statement")
        # then it does not go on there, for as long as it takes
        wait_until(lambda: not backends_at_work(pair), 10, "the source to be left alone")


def backends_at_work(pair: Pair) -> int:
    """How many of a mover's statements the source is busy with."""
    count: int = value(
        pair.source,
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name = 'mover' and state = 'active'",
    )
    return count


PATIENT = """
import sys
from queue_mover.service import long_waits
from queue_mover.cli import queue_mover3
long_waits.LONG, long_waits.PERIOD = 0.3, 0.1
sys.argv[0] = "queue_mover3"
sys.exit(queue_mover3.main())
"""
"""The program, which logs a wait after a third of a second instead of a minute."""


def test_a_lock_that_nobody_releases(registered: Pair) -> None:
    pair = registered
    command: list[str | Path] = [sys.executable, "-c", PATIENT, pair.ini()]
    with Process(command, pair.directory, name="mover") as mover:
        # given a batch, and somebody who has forgotten to end a transaction
        with hold_table(pair.target_db, f"{queue_table(pair.target, pair.target_queue)}_0"):
            pair.produce(3)
            # then the log says so, once
            mover.wait_for_output("WARNING a server has not answered for 0.3 s: somebody holds")
            time.sleep(0.5)
            assert mover.stderr.count("has not answered") == 1
        # and that it is over
        mover.wait_for_output("INFO the server has answered")
        pair.wait_for(3)


def test_rotation_between_batches(pair: Pair, collector: Collector) -> None:
    mover = pair.mover()
    pair.move(mover)
    for _ in range(7):
        # given a target that writes to another table than for the batch before
        pair.produce(50)
        pair.move(mover)
        drain(pair, collector)
        assert rotate(pair.target, pair.target_queue)
    # then its consumer has seen everything
    comparison = compare([pair.source_events], collector.events)
    assert comparison.identical, comparison


def test_rotation_in_mid_batch(pair: Pair, collector: Collector) -> None:
    with pair.start() as mover:
        drain(pair, collector)
        for number in range(50):
            insert_event(pair.source, pair.queue, "t", str(number))
        # given a mover that knows the target's table, and waits for the source's events
        with hold_table(pair.source_db, pair.source_events.table):
            pair.tick()
            wait_until_blocked(pair.source)
            # when the target queue rotates, and is ticked
            assert rotate(pair.target, pair.target_queue)
            drain(pair, collector)
        pair.wait_for(50)
        assert mover.stop() == 0
    # then its consumer sees the events all the same
    drain(pair, collector)
    comparison = compare([pair.source_events], collector.events)
    assert comparison.identical, comparison
    # and they are not truncated unseen
    assert rotate(pair.target, pair.target_queue)


def test_rotation_of_the_source(pair: Pair) -> None:
    mover = pair.mover()
    pair.move(mover)
    for number in range(7):
        pair.produce(50, label=str(number))
        moved = pair.move(mover)
        assert [outcome.count for outcome in moved] == [50]
        pair.tick()
        pair.move(mover)
        assert pair.compared().missing == 0
        assert rotate(pair.source, pair.queue)


def set_disabled(pair: Pair, disabled: bool) -> None:
    """Switch inserts into the target queue off or on."""
    pair.target.execute("update pgq.queue set queue_disable_insert = %s", [disabled])


def assert_says_once(mover: Process, text: str) -> None:
    """It has said this in one line, without a traceback."""
    assert mover.stderr.count(text) == 1
    assert "Traceback" not in mover.stderr


def test_inserts_disabled_for_a_while(pair: Pair) -> None:
    with pair.start() as mover:
        pair.produce(10)
        pair.wait_for(10)
        # when inserts are switched off while it runs
        set_disabled(pair, True)
        pair.produce(10)
        mover.wait_for_output('inserts into queue "to_here_1" are disabled')
        assert pair.target_events.count() == 10
        # and on again, then it goes on
        set_disabled(pair, False)
        pair.wait_for(20)
        mover.wait_for_output("recovered: working again")
        assert_says_once(mover, 'inserts into queue "to_here_1" are disabled')
        assert mover.stop() == 0
    pair.assert_identical()


def test_the_target_queue_is_dropped_and_made_anew(pair: Pair) -> None:
    with pair.start() as mover:
        pair.produce(10)
        pair.wait_for(10)
        pair.target.execute("select pgq.drop_queue(%s, true)", [pair.target_queue])
        pair.produce(7)
        mover.wait_for_output('target database: no queue "to_here_1"; remedy:')
        assert_says_once(mover, 'no queue "to_here_1"')
        create_queue(pair.target, pair.target_queue)
        pair.wait_for(7)
        assert mover.stop() == 0
    assert pair.target_events.count() == 7


def test_the_source_queue_is_dropped_and_made_anew(pair: Pair) -> None:
    with pair.start() as mover:
        pair.produce(10)
        pair.wait_for(10)
        # when the source queue goes away, then it says so, and waits
        pair.source.execute("select pgq.drop_queue(%s, true)", [pair.queue])
        mover.wait_for_output('source database: no queue "from_here_1"; remedy:')
        # when another one of that name is made, then its ticks are not taken for the old ones
        create_queue(pair.source, pair.queue, ticker_max_count=0)
        mover.wait_for_output("belongs to another source")
        assert "Traceback" not in mover.stderr
        # when an operator says that it may, then it goes on from there
        pair.command("--accept-source").check()
        pair.command("--register").check()
        pair.produce(7)
        pair.wait_for(17)
        assert mover.stop() == 0
