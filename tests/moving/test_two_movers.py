"""Two processes with one consumer name and no pidfile: each batch is moved by one of them."""

import re
import time

import pytest
from psycopg import sql

from queue_mover.errors import NotReadyError
from queue_mover.pgq.recorded_route import is_ours
from testbed.processes import Process, wait_until
from testbed.queues import create_queue
from tests.moving.holding import hold_subscription, hold_target, wait_until_blocked
from tests.moving.pair import Pair

BATCH = re.compile(r"\{count: [1-9]")
STANDING_BY = "standing by: the consumer's lock is held by"


def batches(mover: Process) -> int:
    """How many batches with events it has moved."""
    return len(BATCH.findall(mover.stderr))


def test_both_under_load(registered: Pair) -> None:
    pair = registered
    total = rounds = 0
    # given two movers that look for batches all the time
    options = {"loop_delay": 0.001}
    with pair.start("first", **options) as first, pair.start("second", **options) as second:
        # when events come until both have moved some
        while rounds < 60 or min(batches(first), batches(second)) < 5:
            rounds += 1
            assert rounds < 1000, "one of them never gets a batch"
            pair.produce(100)
            total += 100
        pair.wait_for(total)
        wait_until(lambda: pair.position == rounds + 1, 30, "the last tick")
        # then both live, and have never been lost
        assert (first.stop(), second.stop()) == (0, 0)
        for mover in (first, second):
            assert "Lost position" not in mover.stderr
            assert "Traceback" not in mover.stderr
    pair.assert_identical()


def test_asking_at_the_same_moment(pair: Pair) -> None:
    # given databases in which a transaction does not see by default what others commit meanwhile
    for conn in (pair.source, pair.target):
        conn.execute(
            sql.SQL("alter database {} set default_transaction_isolation = 'serializable'").format(
                sql.Identifier(conn.info.dbname)
            )
        )
    # given a mover that has looked for the next tick, and not taken it yet
    pair.register()
    with pair.start("first") as first:
        with hold_subscription(pair):
            pair.produce(10)
            wait_until_blocked(pair.source, "first")
            # when one more tick comes, and another mover looks
            pair.produce(10)
            second = pair.start("second")
            wait_until_blocked(pair.source, "second")
        # then they are not given two batches that overlap
        with second:
            pair.wait_for(20)
            pair.produce(10)
            pair.wait_for(30)
            assert (first.stop(), second.stop()) == (0, 0)
            assert "Lost position" not in first.stderr + second.stderr
            assert "crashed" not in first.stderr + second.stderr
    pair.assert_identical()


@pytest.mark.parametrize("what", ["another queue", "a filter"])
def test_one_that_writes_elsewhere(queues: Pair, what: str) -> None:
    """As with a copied config file of which the consumer was left as it is."""
    queue, tables = queues.target_queue, list[str]()
    mover = queues.mover()
    queues.move(mover)
    queues.produce(3)
    assert [outcome.count for outcome in queues.move(mover)] == [3]
    # given another mover of the consumer
    if what == "a filter":
        tables = ["public.t1"]
    else:
        queues.target_queue = f"{queue}_too"
        create_queue(queues.target, queues.target_queue)
    other = queues.mover(tables=tables)
    queues.produce(3)
    assert len(queues.move(other)) == 1
    queues.produce(3)
    # when it has moved a batch, then the first one gives it no chance to have only a part of them
    with pytest.raises(NotReadyError, match="give each its own consumer_name"):
        mover.move_batch()
    # and the other one continues
    assert len(queues.move(other)) == 1
    # and a role that may not read the table finds out, too
    with queues.target.transaction(force_rollback=True):
        queues.target.execute("set local role pgq_writer")
        assert is_ours(queues.target, other.route)
        assert not is_ours(queues.target, mover.route)
    # when that one is started again with the same config, then the first one continues
    queues.target_queue = queue
    queues.mover().prepare()
    queues.produce(3)
    assert [outcome.count for outcome in queues.move(mover)] == [3]


def test_one_dies_and_the_other_goes_on(registered: Pair) -> None:
    pair = registered
    total = 0
    options = {"max_batch_events": 0, "loop_delay": 0.001}
    with pair.start("first", **options) as first, pair.start("second", **options) as second:
        for number in range(40):
            pair.produce(100)
            total += 100
            if number == 20:
                first.kill()
        pair.wait_for(total)
        assert second.stop() == 0
    pair.assert_identical()


def test_the_one_that_stands_by_says_so_once(pair: Pair) -> None:
    # given a batch, and somebody who holds the consumer's lock
    with pair.start(loop_delay=0.01) as mover:
        with hold_target(pair):
            pair.produce(10)
            mover.wait_for_output(STANDING_BY)
            # when it has tried many more times
            time.sleep(0.3)
            # then it has said once who
            assert mover.stderr.count(STANDING_BY) == 1
            assert "(the test)" in mover.stderr
            assert pair.target_events.count() == 0
        # and it moves when it may
        pair.wait_for(10)
        assert mover.stop() == 0
    pair.assert_identical()
