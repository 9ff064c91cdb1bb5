"""The events per second over the last minutes, from what the target keeps with each position."""

from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from testbed.database import Database, value
from testbed.processes import wait_until
from testbed.queues import SQL
from tests.moving.pair import Pair

RATE: LiteralString = "select events_per_second from queue_mover.get_activity('c')"


def moved(target: psycopg.Connection, tick: int, event: int, source: str = "s") -> None:
    """A position that arrives now."""
    target.execute(
        "select queue_mover.set_origin('c', %s, %s, %s)", [source, tick, f"1700000000.5 {event}"]
    )


def later(target: psycopg.Connection, seconds: int) -> None:
    """Let time go by."""
    target.execute(
        """
        update queue_mover.origin
           set recorded = recorded - make_interval(secs => %(s)s),
               sample_times = array[sample_times[1] - make_interval(secs => %(s)s),
                                    sample_times[2] - make_interval(secs => %(s)s)]
        """,
        {"s": seconds},
    )


def rate(target: psycopg.Connection) -> float | None:
    """What the status shows."""
    found: float | None = value(target, RATE)
    return found


def test_a_steady_stream(target: psycopg.Connection) -> None:
    """Given a hundred events a second, then it is a hundred a second, whenever one asks."""
    moved(target, 1, 1000)
    assert rate(target) is None
    for step in range(1, 40):
        later(target, 10)
        moved(target, 1 + step, 1000 + 1000 * step)
        assert rate(target) == pytest.approx(100, rel=0.05)


def test_large_batches_count_from_where_they_began(target: psycopg.Connection) -> None:
    """Given one batch in ten minutes, then its events are not those of the last minute."""
    moved(target, 1, 0)
    later(target, 600)
    with target.transaction():
        target.execute("select now()")
        moved(target, 2, 60_000)
    found = rate(target)
    assert found is not None
    assert found <= 1000
    later(target, 240)
    assert rate(target) == pytest.approx(200, rel=0.05)


def test_a_mover_that_rests_is_at_nothing(target: psycopg.Connection) -> None:
    moved(target, 1, 0)
    moved(target, 2, 1000)
    later(target, 301)
    assert rate(target) == 0


@pytest.mark.parametrize(
    ("tick", "event", "source"), [(1, 5, "s"), (9, 9000, "another")], ids=["rewound", "moved"]
)
def test_what_cannot_be_compared_is_not_known(
    target: psycopg.Connection, tick: int, event: int, source: str
) -> None:
    moved(target, 5, 5000)
    moved(target, 6, 6000)
    assert rate(target) is not None
    moved(target, tick, event, source)
    assert rate(target) is None


@pytest.mark.parametrize("mark", [None, "", "nonsense", "1 2 x", "17 99999999999999999999"])
def test_a_mark_without_an_event_number_is_no_trouble(
    target: psycopg.Connection, mark: str | None
) -> None:
    for tick in (1, 2, 3):
        target.execute("select queue_mover.set_origin('c', 's', %s, %s)", [tick, mark])
    assert rate(target) is None


def earlier(target: psycopg.Connection) -> None:
    """Make the schema what it was before there were samples and last errors."""
    target.execute("drop function queue_mover.get_activity(text)")
    target.execute(
        "drop function queue_mover.record_error(text, text, text, integer, interval, interval)"
    )
    target.execute("drop table queue_mover.last_error")
    target.execute(
        "alter table queue_mover.origin drop column sample_events, drop column sample_times"
    )
    target.execute("""
        create or replace function queue_mover.set_origin(
            a_consumer text, a_source text, a_tick bigint, a_mark text)
        returns void
        language plpgsql security definer set search_path = pg_catalog, pg_temp
        as $$
        begin
            if a_source is null then
                delete from queue_mover.origin where consumer = a_consumer;
                return;
            end if;
            insert into queue_mover.origin (consumer, source, tick, mark)
                values (a_consumer, a_source, a_tick, a_mark)
                on conflict (consumer) do update
                    set source = excluded.source, tick = excluded.tick,
                        mark = excluded.mark, recorded = excluded.recorded;
        end;
        $$
    """)
    target.execute("drop function queue_mover.event_number(text)")


def test_upgrade_while_a_mover_works(
    source_db: Database, target_db: Database, target: psycopg.Connection, tmp_path: Path
) -> None:
    # given a mover that was started with the earlier schema
    earlier(target)
    pair = Pair(source_db, target_db, tmp_path)
    pair.register()
    mover = pair.mover()
    pair.produce(10, label="before")
    mover.move_batch()
    # when that is brought up to date between two batches, twice
    for _ in range(2):
        target.execute((SQL / "queue_mover.sql").read_bytes())
    # then it goes on, and soon has a rate
    for number in range(3):
        pair.produce(10, label=f"after{number}")
        mover.move_batch()
    pair.assert_identical()
    statement = "select events_per_second from queue_mover.get_activity(%s)"
    assert value(target, statement, pair.consumer) > 0
    pair.close()


def test_an_upgrade_waits_for_a_batch_once_only(
    source_db: Database, target_db: Database, target: psycopg.Connection, tmp_path: Path
) -> None:
    """Given a batch under way, then an install with nothing to add does not wait for it."""
    pair = Pair(source_db, target_db, tmp_path)
    pair.register()
    pair.produce(10, label="one")
    pair.mover().move_batch()
    with target_db.connect() as batch, batch.transaction():
        batch.execute("select queue_mover.get_origin(%s)", [pair.consumer])
        target.execute("set lock_timeout = '2s'")
        wait_until(lambda: target.execute("select 1"), 5, "the connection")
        target.execute((SQL / "queue_mover.sql").read_bytes())
    pair.close()
