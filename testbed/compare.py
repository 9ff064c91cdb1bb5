"""Whether the target has every source event: once, unchanged, in order.

Every field of every event is compared, by a 64-bit hash of the whole event: a million events take
seconds, and only those that differ are fetched and compared one by one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

import psycopg
from psycopg import sql

from testbed.database import value
from testbed.events import FIELDS, Event, EventSet
from testbed.order import out_of_order
from testbed.queues import qualified

# Differences beyond this many are counted, but not paired up to find the changed field.
PAIRED = 1000
NAMES = tuple(f.name for f in fields(Event) if f.compare)


@dataclass(frozen=True)
class Comparison:
    """The result of comparing sources with one target; all numbers count events."""

    expected: tuple[int, ...]
    """in each source"""
    arrived: tuple[int, ...]
    """from each source, unchanged and counted once"""
    total: int
    """in the target"""
    missing: int
    """in the sources, and neither unchanged nor changed in the target"""
    duplicated: int
    """surplus copies of source events in the target"""
    unexpected: int
    """in the target, and in no source"""
    changed: int
    """pairs of a source and a target event that differ in some but not all fields"""
    changed_fields: tuple[str, ...]
    """how often each field differs, as in "data 3" """
    out_of_order: int
    """in the target after an event of the same source that no batch can have put before it"""
    examples: tuple[str, ...]
    """descriptions of some differences"""

    @property
    def identical(self) -> bool:
        """Whether the target has each event of the sources once, unchanged, in order."""
        return not (
            self.missing or self.duplicated or self.unexpected or self.changed or self.out_of_order
        )

    def __str__(self) -> str:
        fields_changed = f" ({', '.join(self.changed_fields)})" if self.changed_fields else ""
        lines = [
            f"{sum(self.expected)} expected, {self.total} found: {self.missing} missing, "
            f"{self.duplicated} duplicated, {self.unexpected} unexpected, {self.changed} changed"
            f"{fields_changed}, {self.out_of_order} out of order"
        ]
        return "\n  ".join([*lines, *self.examples])


def compare(sources: Sequence[EventSet], target: EventSet) -> Comparison:
    """Compare all events of the sources with all events of the target.

    Events of different sources that are equal in every field cannot be told apart; they count like
    any others, but their order is not checked.
    """
    with target.database.connect() as work:
        expected = _load(work, sources, target)
        _match(work)
        arrived: dict[int, int] = dict(
            work.execute("select src, count(*) from matched group by 1").fetchall()
        )
        duplicated, unexpected = _surplus(work)
        total = value(work, "select count(*) from target_event")
        disordered = out_of_order(work, sources)
        lost = _missing_events(work, sources)
        strays = _unexpected_events(work, target)
    pairs, lost, strays = _pair(lost, strays)
    differing = Counter(name for a, b in pairs for name in NAMES if _differ(a, b, name))
    arrived_by_source = tuple(arrived.get(n, 0) for n in range(len(sources)))
    return Comparison(
        expected=expected,
        arrived=arrived_by_source,
        total=total,
        missing=sum(expected) - sum(arrived_by_source) - len(pairs),
        duplicated=duplicated,
        unexpected=unexpected - len(pairs),
        changed=len(pairs),
        changed_fields=tuple(f"{name} {n}" for name, n in differing.items()),
        out_of_order=disordered,
        examples=_examples(lost, strays, pairs),
    )


def _load(
    work: psycopg.Connection, sources: Sequence[EventSet], target: EventSet
) -> tuple[int, ...]:
    """Load hashes of all events into temporary tables on the target; returns counts per source."""
    work.execute("set work_mem = '128MB'")
    work.execute(
        "create temp table source_event (src int, id int8, txid int8, hash int8);"
        "create temp table target_event (pos int8, hash int8)"
    )
    row_hash = sql.SQL("hash_record_extended(row({}), 0)").format(
        sql.SQL(", ").join(map(sql.Identifier, FIELDS))
    )
    counts: list[int] = []
    for number, source in enumerate(sources):
        statement = sql.SQL(
            "copy (select {}::int, ev_id, ev_txid, {} from {}) to stdout (format binary)"
        ).format(sql.Literal(number), row_hash, qualified(source.table))
        _copy(source, statement, work)
        counts.append(value(work, "select count(*) from source_event") - sum(counts))
    work.execute(
        sql.SQL("insert into target_event select {}, {} from {}").format(
            sql.Identifier(target.order), row_hash, qualified(target.table)
        )
    )
    work.execute("analyze source_event; analyze target_event")
    return tuple(counts)


def _copy(source: EventSet, statement: sql.Composed, work: psycopg.Connection) -> None:
    """Copy the statement's result on the source into source_event."""
    with (
        source.database.connect() as conn,
        conn.cursor() as reader,
        work.cursor() as writer,
        reader.copy(statement) as rows,
        writer.copy("copy source_event from stdin (format binary)") as into,
    ):
        for row in rows:
            into.write(row)


def _match(work: psycopg.Connection) -> None:
    """The n-th copy of an event in the sources matches the n-th copy in the target."""
    work.execute("""
        create temp table matched as
        with s as (
            select *, row_number() over (partition by hash order by src, id) as n,
                   min(src) over h <> max(src) over h as ambiguous
              from source_event
            window h as (partition by hash)
        ), t as (
            select *, row_number() over (partition by hash order by pos) as n from target_event
        )
        select s.src, s.id, s.txid, s.hash, s.ambiguous, t.pos as target_pos
          from s join t using (hash, n);
        create index on matched (src, id);
        create index on matched (target_pos);
        analyze matched;
    """)


def _surplus(work: psycopg.Connection) -> tuple[int, int]:
    """How many unmatched target events are duplicates of source events, and how many are not."""
    work.execute("""
        create temp table surplus as
        select pos, exists (select from source_event s where s.hash = t.hash) as duplicated
          from target_event t
         where not exists (select from matched m where m.target_pos = t.pos)
    """)
    duplicated = value(work, "select count(*) from surplus where duplicated")
    return duplicated, value(work, "select count(*) from surplus where not duplicated")


def _fetch(events: EventSet, column: str, values: list[int]) -> list[Event]:
    where = sql.SQL("{} = any({})").format(sql.Identifier(column), sql.Literal(values))
    return events.read(where) if values else []


def _missing_events(work: psycopg.Connection, sources: Sequence[EventSet]) -> list[Event]:
    """The first source events without a match."""
    found: list[Event] = []
    for number, source in enumerate(sources):
        rows = work.execute(
            "select id from source_event s where src = %s and not exists "
            "(select from matched m where m.src = s.src and m.id = s.id) order by id limit %s",
            [number, PAIRED - len(found)],
        )
        found += _fetch(source, "ev_id", [row[0] for row in rows])
    return found


def _unexpected_events(work: psycopg.Connection, target: EventSet) -> list[Event]:
    """The first target events that are in no source."""
    rows = work.execute(
        "select pos from surplus where not duplicated order by pos limit %s", [PAIRED]
    )
    return _fetch(target, target.order, [row[0] for row in rows])


def _differ(a: Event, b: Event, name: str) -> bool:
    return bool(getattr(a, name) != getattr(b, name))


def _pair(
    lost: list[Event], strays: list[Event]
) -> tuple[list[tuple[Event, Event]], list[Event], list[Event]]:
    """Pair events that are probably the same one, changed; the pairs, and what remains of both.

    First those that differ in one field only, then those that agree in fields that are rarely
    equal by chance.
    """
    pairs: list[tuple[Event, Event]] = []
    all_but_one = [tuple(n for n in NAMES if n != name) for name in NAMES]
    for key in [*all_but_one, ("time", "data"), ("data",), ("time", "type"), ("time",)]:
        waiting: dict[tuple[str | None, ...], list[Event]] = {}
        for event in reversed(strays):
            waiting.setdefault(tuple(getattr(event, n) for n in key), []).append(event)
        still_lost = []
        for event in lost:
            partners = waiting.get(tuple(getattr(event, n) for n in key))
            if partners:
                pairs.append((event, partners.pop()))
            else:
                still_lost.append(event)
        lost = still_lost
        taken = {id(b) for _, b in pairs}
        strays = [event for event in strays if id(event) not in taken]
    return pairs, lost, strays


def _short(value: object, length: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


def _examples(
    lost: list[Event], strays: list[Event], pairs: list[tuple[Event, Event]], limit: int = 3
) -> tuple[str, ...]:
    missing = [f"missing: event {e.id}, data {_short(e.data)}" for e in lost[:limit]]
    unexpected = [f"unexpected: event {e.id}, data {_short(e.data)}" for e in strays[:limit]]
    changed = [
        f"changed: event {a.id} as {b.id}: {name} {_short(getattr(a, name))}"
        f" became {_short(getattr(b, name))}"
        for a, b in pairs[:limit]
        for name in NAMES
        if _differ(a, b, name)
    ]
    return (*missing, *unexpected, *changed)
