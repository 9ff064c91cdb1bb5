"""What must hold after a round: every event accounted for, every batch atomic, all in order."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from testbed.compare import compare
from testbed.database import Database, value
from testbed.events import EventSet
from testbed.queues import last_tick, qualified
from torture.fleet import consumer
from torture.servers import NAMES, QUEUE, Servers


def check_events(servers: Servers, sources: Sequence[EventSet], target: EventSet) -> list[str]:
    """Compare the ledger, the sources' events and the target's. Returns the failures."""
    failures = []
    for source in sources:
        differing = _rows(source.database, _LEDGER, source)
        failures += [f"{source.database.name}: ledger has {a}, queue has {b}" for a, b in differing]
    comparison = compare(sources, target)
    if not comparison.identical:
        failures.append(str(comparison))
    failures += [
        f"transaction {tx} out of order in the target"
        for (tx,) in _rows(target.database, _DISORDER, target)
    ]
    for source in sources:
        failures += _check_batches(source, target)
    return failures


_LEDGER = """
    select (l.tx, l.size)::text, (q.tx, q.size)::text
      from torture.ledger l
      full join (select ev_extra1 as tx, count(*)::int as size from {} group by 1) q using (tx)
     where l.size is distinct from q.size limit 3
"""
_DISORDER = """
    select distinct ev_extra1 from (
        select ev_extra1, ev_extra2::int < lag(ev_extra2::int) over (
               partition by ev_extra1 order by seq) as wrong from {}) e
     where wrong limit 3
"""
_TICKS = "select ev_extra1, min(tick), max(tick) from {} group by 1"
_ARRIVALS = """
    select ev_extra1, min(ev_txid), max(ev_txid), min(seq), max(seq) from {} group by 1
"""


def _check_batches(source: EventSet, target: EventSet) -> list[str]:
    """All events of a tick arrived in one transaction, and those of later ticks after them."""
    ticks = {tx: first for tx, first, _ in _rows(source.database, _TICKS, source)}
    arrivals: dict[int, list[tuple[int, int, int, int]]] = {}
    for tx, *arrival in _rows(target.database, _ARRIVALS, target):
        if tx in ticks:
            arrivals.setdefault(ticks[tx], []).append(tuple(arrival))
    failures, last = [], (-1, -1)
    for tick, parts in sorted(arrivals.items()):
        low, high = min(p[0] for p in parts), max(p[1] for p in parts)
        if low != high:
            failures.append(f"tick {tick}: its events arrived in transactions {low} to {high}")
        if last[0] != low and min(p[2] for p in parts) < last[1]:
            failures.append(f"tick {tick}: arrived before an earlier one")
        last = (low, max(p[3] for p in parts))
    return failures[:3]


def check_positions(servers: Servers) -> list[str]:
    """Both sides agree on each consumer's position, and no batch is open. Returns the failures."""
    failures = []
    for name, database in zip(NAMES, servers.source.databases, strict=True):
        who = consumer(name)
        with database.connect() as conn:
            row = conn.execute(_SUBSCRIPTION, [QUEUE, who]).fetchone()
        with servers.target_database.connect() as conn:
            position = conn.execute(_POSITION, [who]).fetchone()
        if row is None or (row[0], row[0], row[1]) != position or row[2] is not None:
            failures.append(f"{who}: source has (tick, mark, batch) {row}, target has {position}")
    return failures


_SUBSCRIPTION = """
    select s.sub_last_tick,
           concat_ws(' ', extract(epoch from t.tick_time), t.tick_event_seq), s.sub_batch
      from pgq.subscription s
      join pgq.queue q on q.queue_id = s.sub_queue join pgq.consumer c on c.co_id = s.sub_consumer
      join pgq.tick t on t.tick_queue = q.queue_id and t.tick_id = s.sub_last_tick
     where q.queue_name = %s and c.co_name = %s
"""
_POSITION = """
    select c.last_tick_id, o.tick, o.mark from pgq_ext.completed_tick c
      join queue_mover.origin o on o.consumer = c.consumer_id
     where c.consumer_id = %s and c.subconsumer_id = ''
"""


def is_drained(servers: Servers) -> bool:
    """Whether the target has the last tick of every source."""
    for name, database in zip(NAMES, servers.source.databases, strict=True):
        with database.connect() as conn:
            last = last_tick(conn, QUEUE)
        with servers.target_database.connect() as conn:
            if value(conn, "select pgq_ext.get_last_tick(%s)", consumer(name)) != last:
                return False
    return True


def clear(sources: Sequence[EventSet], target: EventSet) -> None:
    """Delete the collected events and the ledgers of a round."""
    for events in (*sources, target):
        with events.database.connect() as conn:
            conn.execute(sql.SQL("truncate {}").format(qualified(events.table)))
            if events is not target:
                conn.execute("truncate torture.ledger")


def _rows(database: Database, statement: str, events: EventSet) -> list[Any]:
    with database.connect() as conn:
        query = statement.replace("{}", qualified(events.table).as_string())
        return conn.execute(query.encode()).fetchall()
