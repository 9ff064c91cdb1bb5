"""The comparison finds what a mover can do wrong, and accepts what it may do."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from testbed.cluster import Cluster
from testbed.compare import compare
from testbed.database import Database
from testbed.events import FIELDS, Collector, Event, insert_events, queue_events, read_events
from testbed.order import Snapshot, count_disorder, first_tick
from testbed.processes import wait_until
from testbed.queues import (
    create_queue,
    insert_event,
    last_tick,
    produce,
    qualified,
    queue_table,
    rotate,
    tick,
)
from testbed.ticker import FAST_TICKS, start_pgqd

ODD_EVENTS = [
    Event(),
    Event(type="", data="", extra1="", time="infinity"),
    Event(type="a'\"\\b\tc\nd", data="ünï ✓ 😀 \u0001", extra4="\\N", time="-infinity"),
    Event(extra1="only", time="12000-01-01 00:00:00"),
    Event(extra2="only", time="0044-03-15 12:00:00.000001 BC"),
]


@pytest.fixture
def moved(
    source_db: Database, target_db: Database, source_queue: str, target_queue: str
) -> Iterator[tuple[psycopg.Connection, str]]:
    """2,000 events in two transactions on the source, and the same on the target, moved by hand.

    Yields a connection to the target and the name of the table with the events.
    """
    with source_db.connect() as source, target_db.connect() as target:
        produce(source, source_queue, 1000)
        produce(source, source_queue, 1000, first=1001)
        table = queue_table(target, target_queue) + "_0"
        columns = sql.SQL(", ").join(map(sql.Identifier, FIELDS))
        out = sql.SQL("copy (select {} from {} order by ev_id) to stdout").format(
            columns, qualified(queue_table(source, source_queue))
        )
        into = sql.SQL("copy {} ({}) from stdin").format(qualified(table), columns)
        with source.cursor().copy(out) as rows, target.cursor().copy(into) as writer:
            for row in rows:
                writer.write(row)
        yield target, table


def test_identical(
    moved: object, source_db: Database, target_db: Database, source_queue: str, target_queue: str
) -> None:
    found = compare([queue_events(source_db, source_queue)], queue_events(target_db, target_queue))
    assert found.identical, found
    assert (found.expected, found.arrived, found.total) == ((2000,), (2000,), 2000)


COLUMNS = "ev_time, ev_txid, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("delete from {t} where ev_id = 7", {"missing": 1}),
        ("insert into {t} ({c}) select {c} from {t} where ev_id in (3, 4)", {"duplicated": 2}),
        ("insert into {t} ({c}) select {c} from {t} order by ev_id", {"duplicated": 2000}),
        ("insert into {t} (ev_time, ev_type) values (now(), 'new')", {"unexpected": 1}),
        ("update {t} set ev_id = 100000 where ev_id = 7", {"out_of_order": 1}),
        ("update {t} set ev_id = 5000 - ev_id", {"out_of_order": 1999}),
        (
            "update {t} set ev_time = ev_time + '1 microsecond' where ev_id = 7",
            {"changed": 1, "changed_fields": ("time 1",)},
        ),
        (
            "update {t} set ev_extra3 = null where ev_extra3 = ''",
            {"changed": 400, "changed_fields": ("extra3 400",)},
        ),
        (
            "update {t} set ev_extra1 = ev_extra2, ev_extra2 = ev_extra1 where ev_id = 8",
            {"changed": 1, "changed_fields": ("extra1 1", "extra2 1")},
        ),
        ("update {t} set ev_data = ev_data || ' ' where ev_id < 4", {"changed": 3}),
    ],
)
def test_damage_is_found(
    damage: str,
    expected: dict[str, object],
    moved: tuple[psycopg.Connection, str],
    source_db: Database,
    target_db: Database,
    source_queue: str,
    target_queue: str,
) -> None:
    target, table = moved
    target.execute(damage.format(t=table, c=COLUMNS).encode())
    found = compare([queue_events(source_db, source_queue)], queue_events(target_db, target_queue))
    assert not found.identical
    for name in ("missing", "duplicated", "unexpected", "changed", "out_of_order"):
        assert getattr(found, name) == expected.get(name, 0), f"{name}: {found}"
    if "changed_fields" in expected:
        assert found.changed_fields == expected["changed_fields"]


def test_several_sources_into_one(
    source_db: Database, target_db: Database, source: psycopg.Connection, target_queue: str
) -> None:
    """Sources may interleave, and may have equal events."""
    same = Event(data="in both")
    first, second = [Event(data="a"), same, Event(data="b")], [Event(data="A"), same]
    for queue, events in (("one", first), ("two", second)):
        create_queue(source, queue)
        insert_events(source, queue, events)
    with target_db.connect() as conn:
        insert_events(conn, target_queue, [second[0], first[0], same, same, first[2]])
    sources = [queue_events(source_db, queue) for queue in ("one", "two")]
    found = compare(sources, queue_events(target_db, target_queue))
    assert found.identical, found
    assert found.arrived == (3, 2)


def test_odd_events_are_kept_and_compared(source_db: Database, source_queue: str) -> None:
    with source_db.connect() as conn:
        insert_events(conn, source_queue, ODD_EVENTS)
        assert read_events(source_db, source_queue) == ODD_EVENTS
        events = queue_events(source_db, source_queue)
        assert compare([events], events).identical


def test_collector_sees_what_rotation_removes(
    source_db: Database, source: psycopg.Connection, source_queue: str
) -> None:
    collector = Collector(source_db, source_queue)
    total = 0
    for first in range(1, 5001, 1000):
        produce(source, source_queue, 1000, first=first)
        tick(source, source_queue)
        total += collector.drain()
        tick(source, source_queue)
        collector.drain()
        assert rotate(source, source_queue)
    collector.close()
    assert total == collector.events.count() == 5000
    assert queue_events(source_db, source_queue).count() < 5000
    assert compare([collector.events], collector.events).identical


def test_late_commit_is_no_disorder(
    source_db: Database, source: psycopg.Connection, source_queue: str
) -> None:
    """An event with a low id that commits after a tick: a consumer rightly gets it later."""
    collector = Collector(source_db, source_queue)
    with source_db.connect() as late:
        with late.transaction():
            insert_event(late, source_queue, "late", "1")
            insert_event(source, source_queue, "early", "2")
            tick(source, source_queue)
        tick(source, source_queue)
    collector.drain()
    collector.close()
    assert [event.type for event in collector.events.read()] == ["early", "late"]
    assert compare([queue_events(source_db, source_queue)], collector.events).identical
    assert compare([collector.events], collector.events).identical


def test_pgqd_ticks(source_db: Database, source_cluster: Cluster) -> None:
    with source_db.connect() as conn:
        create_queue(conn, "ticking", **FAST_TICKS)
        before = last_tick(conn, "ticking")
        with start_pgqd(source_cluster, [source_db.name]) as pgqd:
            insert_event(conn, "ticking", "x", "y")
            wait_until(lambda: last_tick(conn, "ticking") > before, 10, "a tick from pgqd")
            assert pgqd.stop() == 0


def test_first_tick() -> None:
    snapshots = [Snapshot.parse(text) for text in ("10:10:", "12:20:12,15", "15:30:15", "40:40:")]
    assert [first_tick(txid, snapshots) for txid in (9, 10, 12, 13, 15, 30, 40)] == [
        *(0, 1, 2, 1, 3, 3, 4)
    ]


@pytest.mark.parametrize(
    ("arrival", "disordered"),
    [
        ([(1, 1), (2, 1), (3, 2)], 0),
        ([(2, 1), (1, 1)], 1),
        ([(3, 1), (1, 2), (2, 2)], 0),
        ([(3, 2), (1, 1)], 1),
        ([(3, 1), (2, 2), (1, 2)], 1),
    ],
)
def test_count_disorder(arrival: list[tuple[int, int]], disordered: int) -> None:
    """Pairs of id and transaction; here a transaction's number is its tick."""
    assert count_disorder(arrival, {1: 1, 2: 2}) == disordered
