"""INT finishes every batch and names who is waited for; TERM rolls back; 0 drains; fairness."""

import contextlib
import re
import signal
from typing import LiteralString

import pytest
from psycopg import sql

from testbed.database import value
from testbed.queues import qualified, queue_table
from tests.sources.many import Many

WAITS_FOR_ONE = re.compile(r" INFO waiting for: shard\d$", re.MULTILINE)


def test_int_lets_every_source_finish_and_names_the_slow_one(many: Many) -> None:
    apart = many.apart("shard1")
    with many.held(apart):
        process = many.start(fast_clocks=True)
        many.produce(5, held=1)
        many.wait_for(shard0=5, shard2=5)
        # when
        process.send(signal.SIGINT)
        many.logged(" INFO waiting for: shard1\n", 2)
        # then the others have finished meanwhile
        assert many.finished("shard0")
        assert many.finished("shard2")
        assert not many.finished("shard1")
        assert process.running
    assert process.wait() == 0
    assert many.arrived(apart) == {"shard1": 5}
    assert all(many.finished(name) for name in many.sources)


def test_all_that_are_waited_for_are_named(many: Many) -> None:
    with many.held():
        process = many.start(fast_clocks=True)
        many.produce(5, held=3)
        process.send(signal.SIGINT)
        many.logged(" INFO waiting for: shard0, shard1, shard2\n")
    assert process.wait() == 0
    many.assert_identical()


def test_int_while_sources_wait_for_a_connection(many: Many) -> None:
    """Given one connection, held, when told to stop, then those in the row for it go at once."""
    many.main.update(dst_connections=1, share_transactions=0)
    with many.held():
        process = many.start(fast_clocks=True)
        many.produce(5, held=1)
        process.send(signal.SIGINT)
        many.until(lambda: WAITS_FOR_ONE.search(many.log), "one to be waited for")
    assert process.wait() == 0
    # then the batch that was on its way is there, and no other
    assert list(many.arrived().values()) == [5]
    assert many.errors() == []
    many.drain().check()
    many.assert_identical()


@pytest.mark.parametrize("connections", [1, 4])
def test_term_rolls_back(many: Many, connections: int) -> None:
    many.main["dst_connections"] = connections
    with many.held():
        process = many.start()
        many.produce(5, held=min(connections, 3))
        process.send(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    many.until(lambda: not many.backends("target"), "the end of its sessions")
    # then nothing has come, and all comes next time
    assert many.arrived() == {}
    assert many.errors() == []
    if connections > 1:
        for name in many.sources:
            assert f"INFO {name}: batch abandoned; it will be replayed" in many.log
    many.drain().check()
    many.assert_identical()


def test_a_second_int_rolls_back(many: Many) -> None:
    with many.held():
        process = many.start(fast_clocks=True)
        many.produce(5, held=3)
        process.send(signal.SIGINT)
        # Two at the same moment would be one; it has taken the first when it names whom it awaits.
        many.logged("waiting for: ")
        process.send(signal.SIGINT)
        # A slow machine takes them for two single ones; then a third is the second.
        with contextlib.suppress(TimeoutError):
            process.wait(3)
        if process.running:
            process.send(signal.SIGINT)
        assert process.wait() == 1
    assert many.arrived() == {}
    many.drain().check()
    many.assert_identical()


@pytest.mark.parametrize("loop_delay", ["0", "-1"])
def test_without_a_delay_all_are_drained(many: Many, loop_delay: str) -> None:
    """0: until there is nothing left; negative: one batch each."""
    many.main.update(loop_delay=loop_delay, max_batch_events=0)
    many.crowd(3)
    many.register()
    many.produce(10, ticks=3)
    many.run().check()
    each = 30 if loop_delay == "0" else 10
    assert many.arrived() == dict.fromkeys(many.sources, each)
    if loop_delay == "0":
        assert all(many.finished(name) for name in many.sources)
        many.assert_identical()


def test_draining_ends_with_1_when_one_fails_and_drains_the_others(many: Many) -> None:
    many.section("shard1")["src_db"] = "host=127.0.0.1 port=1"
    many.register("shard0", "shard2")
    many.produce(2)
    result = many.drain()
    assert result.returncode == 1
    assert many.arrived() == {"shard0": 2, "shard2": 2}
    assert len(many.errors()) == len(many.errors("shard1: source database not available")) == 1


TICKS = 200

BACKLOG: LiteralString = """
do $$ begin
    for number in 1 .. {ticks} loop
        perform pgq.insert_event({queue}, 'type', 'shard0:' || number);
        commit;
        perform pgq.force_tick({queue}), pgq.ticker({queue});
        commit;
    end loop;
end $$
"""


def test_a_large_backlog_keeps_nobody_waiting(many: Many) -> None:
    """Given one connection and hours of backlog at one shard, in small batches, then the others
    take their turns in between."""
    many.main["dst_connections"] = 1
    many.section("shard0")["max_batch_events"] = 1
    many.register()
    backlog = many.sources["shard0"]
    backlog.conn.execute(
        sql.SQL(BACKLOG).format(ticks=sql.Literal(TICKS), queue=sql.Literal(backlog.queue))
    )
    for name in ("shard1", "shard2"):
        for number in range(3):
            many.sources[name].produce(5, first=1 + 5 * number)
        many.section(name)["max_batch_events"] = 1
    # when
    many.drain().check()
    # then the others were done while most of the backlog was still waiting
    table = qualified(queue_table(many.target, many.target_queue))
    statement = sql.SQL(
        "select count(*) from {} where ev_data like 'shard0:%' and ev_id <"
        " (select max(ev_id) from {} where ev_data not like 'shard0:%')"
    )
    assert value(many.target, statement.format(table, table)) < TICKS / 2
    many.assert_identical()
