"""Whole processes: pgqd on both sides, movers that are killed, a real consumer of the target."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.processes import Process, wait_until, write_ini
from testbed.queues import insert_event, produce
from testbed.ticker import FAST_TICKS, start_pgqd
from tests.event_ids.keeping import Keeping
from tests.event_ids.recorder import RETRIED, TABLE
from tests.moving.holding import MID_COPY, end_backends, hold_advisory, wait_until_blocked
from tests.moving.pair import Pair

COLUMNS = "ev_id, ev_time, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4"


@contextmanager
def recording(pair: Pair) -> Iterator[Process]:
    """A consumer of the target that records what it gets."""
    pair.target.execute(TABLE)
    value(pair.target, "select pgq.register_consumer(%s, 'recorder')", pair.target_queue)
    ini = write_ini(
        pair.directory / "recorder.ini",
        "recorder",
        {
            "db": pair.target_db.conninfo(),
            "queue_name": pair.target_queue,
            "consumer_name": "recorder",
            "loop_delay": 0.05,
        },
    )
    program = Path(__file__).with_name("recorder.py")
    with Process([sys.executable, program, ini], pair.directory, name="recorder") as process:
        yield process
        process.stop()


@contextmanager
def producing(database: Database, queue: str, number: int) -> Iterator[None]:
    """A producer with transactions of some length, of which every fifth is rolled back."""
    stop = threading.Event()

    def work() -> None:
        with database.connect() as conn:
            for turn in range(100_000):
                if stop.is_set():
                    return
                with conn.transaction(force_rollback=turn % 5 == 4):
                    insert_event(conn, queue, RETRIED if turn % 7 == 0 else "t", f"{number}:{turn}")
                    stop.wait(0.02 * number)
                    produce(conn, queue, 1 + turn % 40, first=turn * 100, label=f"p{number}")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def ticked(pair: Pair, source_cluster: Cluster, target_cluster: Cluster) -> Iterator[Pair]:
    """Queues of their own, with a pgqd on either side."""
    for conn, queue in ((pair.source, pair.queue), (pair.target, pair.target_queue)):
        for key, setting in {**FAST_TICKS, "ticker_max_count": 20}.items():
            value(conn, "select pgq.set_queue_config(%s, %s, %s)", queue, key, str(setting))
    with (
        start_pgqd(source_cluster, [pair.source_db.name], name="source_pgqd"),
        start_pgqd(target_cluster, [pair.target_db.name], name="target_pgqd", retry_period=0.2),
    ):
        yield pair


@pytest.fixture
def pair(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """Queues in databases of their own."""
    pair = Pair(source_db, target_db, tmp_path)
    yield pair
    pair.close()


def rows(conn: psycopg.Connection, statement: str) -> list[tuple[object, ...]]:
    """All rows."""
    return conn.execute(statement.encode()).fetchall()


def test_a_real_consumer_while_movers_are_killed(ticked: Pair) -> None:
    pair = ticked
    pair.register()
    # given producers, and a consumer of the target that wants some events again
    with recording(pair):
        with producing(pair.source_db, pair.queue, 1), producing(pair.source_db, pair.queue, 3):
            # when the mover is killed, over and over, wherever it is
            for turn in range(8):
                before = pair.target_events.count()
                with pair.start(keep_event_id=1, max_batch_events=turn % 3 * 30) as mover:
                    pair.wait_for(before + 1)
                    mover.kill()
        with pair.start(keep_event_id=1) as mover:
            expected = rows(pair.source, f"select {COLUMNS} from pgq.event_1 order by ev_id")
            again = sum(row[2] == RETRIED for row in expected)
            assert again > 3
            wait_until(
                lambda: (
                    value(pair.target, "select count(*) from recorded") >= len(expected) + again
                ),
                30,
                "all events to be recorded",
            )
            assert mover.stop() == 0
    # then it has got each event once, with its ID
    first = f"select {COLUMNS} from recorded where coalesce(retry, 0) = 0 order by ev_id"
    assert rows(pair.target, first) == expected
    # and those that it wanted again as the same ones
    second = f"select {COLUMNS} from recorded where retry > 0 order by ev_id"
    assert rows(pair.target, second) == [row for row in expected if row[2] == RETRIED]
    # and each batch in order of the IDs
    batches = groupby(
        rows(pair.target, "select batch, ev_id from recorded order by number"), lambda row: row[0]
    )
    ids = [[int(str(row[1])) for row in batch] for _, batch in batches]
    assert ids == [sorted(batch) for batch in ids]
    assert len(ids) > 8
    pair.assert_identical()


@pytest.fixture
def held_at_commit(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Keeping]:
    """A mover's commit on the target waits for the lock MID_COPY: the sequence is ahead by then."""
    with Keeping.between(source_db, target_db, tmp_path, 1) as keeping:
        keeping.move()
        keeping.pair.target.execute(f"""
            create function public.wait_here() returns trigger language plpgsql as $$
            begin
                perform pg_advisory_xact_lock({MID_COPY});
                return null;
            end $$;
            create constraint trigger wait_here after update on queue_mover.event_ids
                deferrable initially deferred for each row execute function public.wait_here()
        """)
        yield keeping


@contextmanager
def committing(keeping: Keeping) -> Iterator[Process]:
    """A mover that commits a batch within the block, and can do so only after it."""
    pair = keeping.pair
    with pair.start(keep_event_id=1) as mover, hold_advisory(pair.target_db, MID_COPY):
        pair.produce(5)
        wait_until_blocked(pair.target)
        # then the target's ticker sees a sequence that is ahead of the events
        assert keeping.sequence == keeping.expected[-1][0]
        assert keeping.tick_target()
        assert keeping.drain() == []
        yield mover


def test_a_tick_between_the_sequence_and_the_commit(held_at_commit: Keeping) -> None:
    pair = held_at_commit.pair
    # given a tick that counts events which are not committed yet
    with committing(held_at_commit):
        pass
    pair.wait_for(5)
    # then the next one includes them, whenever it comes
    assert not held_at_commit.tick_target()
    pair.produce(1, label="following")
    pair.move(keep_event_id=True)
    assert held_at_commit.tick_target()
    assert held_at_commit.drain() == held_at_commit.expected


def test_killed_between_the_sequence_and_the_commit(held_at_commit: Keeping) -> None:
    pair = held_at_commit.pair
    # given a mover that dies when the sequence is ahead
    with committing(held_at_commit) as mover:
        mover.kill()
        end_backends(pair.target)
    assert pair.target_events.count() == 0
    # when another one moves the batch, then it has the same IDs, and the ticker sees it
    pair.command(keep_event_id=1, loop_delay=0).check()
    assert held_at_commit.tick_target()
    assert held_at_commit.drain() == held_at_commit.expected
    pair.assert_identical()
    # and so does one that was killed after the commit, before the source was told
    pair.produce(3)
    mover_again = pair.mover(keep_event_id=True)
    mover_again.move_batch()
    mover_again.close()
    pair.produce(3)
    pair.command(keep_event_id=1, loop_delay=0).check()
    assert held_at_commit.tick_target()
    assert held_at_commit.drain() == held_at_commit.expected
