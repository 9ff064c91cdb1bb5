"""Whether events arrived in an order that PgQ's batches allow.

Ids alone do not decide. A transaction may take an id early and commit late: its event is then in a
later tick than events with higher ids. A consumer sees batch after batch, and within a batch, of
one tick or several, the events in id order. So an event is out of order if it comes after one that
has a higher id *and* belongs to the same or a later tick; otherwise either order is right.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psycopg
from psycopg import sql

from testbed.events import EventSet
from testbed.queues import qualified


@dataclass(frozen=True)
class Snapshot:
    """A tick's transaction snapshot: whose events come before the tick."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """From PostgreSQL's xmin:xmax:xip,xip."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(x) for x in running.split(",") if x))

    def sees(self, txid: int) -> bool:
        """Whether a transaction had committed."""
        return txid < self.xmin or (txid < self.xmax and txid not in self.running)


def first_tick(txid: int, snapshots: Sequence[Snapshot]) -> int:
    """The index of the first snapshot, in order of time, that sees the transaction."""
    index = bisect_right(snapshots, txid, key=lambda snapshot: snapshot.xmax)
    while index < len(snapshots) and not snapshots[index].sees(txid):
        index += 1
    return index


def count_disorder(events: Iterable[tuple[int, int]], ticks: Mapping[int, int]) -> int:
    """How many of the (id, txid) pairs, given in arrival order, are out of order; ticks by txid."""
    highest: dict[int, int] = {}
    seen: list[int] = []
    top = -1
    disordered = 0
    for ev_id, txid in events:
        tick = ticks[txid]
        if tick not in highest:
            insort(seen, tick)
        if ev_id > top:
            top = highest[tick] = ev_id
            continue
        if any(highest.get(later, -1) > ev_id for later in seen[bisect_left(seen, tick) :]):
            disordered += 1
        highest[tick] = max(ev_id, highest.get(tick, -1))
    return disordered


def out_of_order(work: psycopg.Connection, sources: Sequence[EventSet]) -> int:
    """Count the rows of the table `matched` (see compare) that are out of order, per source."""
    suspects = work.execute("""
        select src from (
            select src, id < max(id) over (partition by src order by target_pos) as behind
              from matched where not ambiguous
        ) as m group by src having bool_or(behind)
    """).fetchall()
    return sum(_disorder_of_source(work, number, sources[number]) for (number,) in suspects)


def _disorder_of_source(work: psycopg.Connection, number: int, source: EventSet) -> int:
    txids = [
        row[0] for row in work.execute("select distinct txid from matched where src = %s", [number])
    ]
    ticks = _ticks(source, txids)
    with work.transaction(), work.cursor(name="arrived") as arrived:
        arrived.itersize = 20_000
        arrived.execute(
            "select id, txid from matched where src = %s and not ambiguous order by target_pos",
            [number],
        )
        return count_disorder(arrived, ticks)


def _ticks(source: EventSet, txids: Sequence[int]) -> dict[int, int]:
    """The tick of each transaction, as a number that increases with time.

    PgQ deletes the ticks of events long rotated away; those count as one tick.
    """
    if source.collected:
        distinct = sql.SQL("select distinct ev_txid, tick from {}").format(qualified(source.table))
        with source.database.connect() as conn:
            return dict(conn.execute(distinct).fetchall())
    statement = sql.SQL("""
        select tick_snapshot::text from pgq.tick join pgq.queue on queue_id = tick_queue
         where queue_data_pfx = %s order by tick_id
    """)
    with source.database.connect() as conn:
        snapshots = [Snapshot.parse(row[0]) for row in conn.execute(statement, [source.table])]
    return {txid: first_tick(txid, snapshots) for txid in txids}
