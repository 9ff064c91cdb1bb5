"""The PgQ calls on the source. Each takes a connection; the mover owns their order."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from queue_mover.errors import UnavailableError
from queue_mover.model import Batch, BatchLimits, Registration, Route, Tick
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import GUARDS, lock_holder, lock_key
from queue_mover.postgres.statements import run_in_one_message

LOCK_WAIT: LiteralString = "30s"


# How many events to ask `pgq.next_batch_custom` for, so that a batch spans all waiting ticks up
# to the limit. Its `find_tick_helper` takes the very last tick unless more than twice the wanted
# count waits: half of what waits makes it stop at the first tick that reaches the count.
_WANTED: LiteralString = """
    select case when all_settled and total <= %(max_events)s then total
                else least(allowed, %(max_events)s, (total - 1) / 2) end
      from (select greatest(head.seq - here.tick_event_seq, 0) as total,
                   greatest(settled.seq - here.tick_event_seq, 0) as allowed,
                   settled.tick_id = head.tick_id as all_settled
              from {pgq}.queue q
              join {pgq}.consumer c on c.co_name = %(consumer)s
              join {pgq}.subscription s on s.sub_queue = q.queue_id and s.sub_consumer = c.co_id
              join {pgq}.tick here
                on here.tick_queue = q.queue_id and here.tick_id = s.sub_last_tick
             cross join lateral (
                   select t.tick_id, t.tick_event_seq as seq from {pgq}.tick t
                    where t.tick_queue = q.queue_id
                    order by t.tick_queue desc, t.tick_id desc limit 1) head
              left join lateral (
                   select t.tick_id, t.tick_event_seq as seq from {pgq}.tick t
                    where t.tick_queue = q.queue_id
                      and (%(keep_lag)s::interval is null
                           or t.tick_time <= now() - %(keep_lag)s::interval)
                    order by t.tick_queue desc, t.tick_id desc limit 1) settled on true
             where q.queue_name = %(queue)s) waiting
"""
# The marks come from the function: it sees ticks that are younger than its caller's snapshot.
_NEXT_BATCH: LiteralString = """
    select batch_id,
           prev_tick_id, concat_ws(' ', extract(epoch from prev_tick_time), prev_tick_event_seq),
           cur_tick_id, concat_ws(' ', extract(epoch from cur_tick_time), cur_tick_event_seq),
           {pgq}.batch_event_sql(batch_id)
      from {pgq}.next_batch_custom(%(queue)s, %(consumer)s, %(keep_lag)s::interval,
                                 {count}, %(min_interval)s::interval)
     where batch_id is not null
"""
_LOCK: tuple[LiteralString, ...] = (
    GUARDS,
    f"select set_config('lock_timeout', '{LOCK_WAIT}', true)",
    "select pg_advisory_xact_lock(%(key)s)",
)
_FINISH: LiteralString = "select {pgq}.finish_batch(%(applied)s)"
_STILL_ACTIVE: LiteralString = """
    coalesce((select tick_id::text from {pgq}.get_batch_info({batch})),
             (select {pgq}.batch_event_sql({batch}))) is not null
"""


def lock(connection: Connection, route: Route) -> None:
    """Wait for the consumer's lock on the source, held to the end of the transaction.

    `next_batch` locks nothing: two movers asking at once would be given different batches.
    Nobody holds it for longer than a round trip, unless frozen in the middle of one; so the
    wait has an end, which `waiting` puts into words.
    """
    run_in_one_message(connection, _LOCK, {"key": _key(route)})


@contextmanager
def waiting(connection: Connection, route: Route) -> Iterator[None]:
    """Say who holds the consumer's lock, where the wait for it has ended."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        connection.rollback()
        holder = lock_holder(connection, _key(route))
        raise UnavailableError(
            f"source database: the consumer's lock is held by {holder}"
        ) from error


def _key(route: Route) -> int:
    return lock_key("source", route.queue, route.consumer)


def is_registered(connection: Connection, route: Route) -> bool:
    """Whether the consumer is registered on the queue (`pgq.get_consumer_info`)."""
    found = connection.execute(
        route.source_flavour.sql("select from {pgq}.get_consumer_info(%s, %s)"),
        [route.queue, route.consumer],
    )
    return found.fetchone() is not None


def newest_tick(connection: Connection, route: Route) -> int | None:
    """The queue's newest tick; None: it has none."""
    row = connection.execute(
        route.source_flavour.sql("select last_tick_id from {pgq}.get_queue_info(%s)"),
        [route.queue],
    ).fetchone()
    return row[0] if row else None


def registrations(connection: Connection, route: Route) -> list[Registration]:
    """Every consumer of the queue (`pgq.get_consumer_info`), by name."""
    with connection.cursor(row_factory=class_row(Registration)) as cursor:
        return cursor.execute(
            route.source_flavour.sql("""
            select consumer_name as consumer, last_tick as tick, next_tick as batch_end,
                   coalesce(pending_events, 0) as waiting,
                   extract(epoch from last_seen)::float8 as since_seen
              from {pgq}.get_consumer_info(%s) order by 1
            """),
            [route.queue],
        ).fetchall()


def mark(connection: Connection, route: Route, tick: int) -> str | None:
    """The mark of a tick of the queue, None when it is not there."""
    row = connection.execute(
        route.source_flavour.sql("""
        select concat_ws(' ', extract(epoch from t.tick_time), t.tick_event_seq)
          from {pgq}.queue q join {pgq}.tick t on t.tick_queue = q.queue_id
         where q.queue_name = %s and t.tick_id = %s
        """),
        [route.queue, tick],
    ).fetchone()
    return str(row[0]) if row else None


def register(connection: Connection, route: Route, tick: int | None = None) -> None:
    """Register the consumer, or move it: at a tick, else at the newest one."""
    connection.execute(
        route.source_flavour.sql("select {pgq}.register_consumer_at(%s, %s, %s)"),
        [route.queue, route.consumer, tick],
    )


def unregister(connection: Connection, route: Route) -> bool:
    """Unregister the consumer. Returns whether it was registered."""
    row = connection.execute(
        route.source_flavour.sql("select {pgq}.unregister_consumer(%s, %s) > 0"),
        [route.queue, route.consumer],
    ).fetchone()
    return row == (True,)


def next_batch(
    connection: Connection, route: Route, limits: BatchLimits, applied: Batch | None
) -> tuple[Batch | None, bool]:
    """Finish the batch that was applied, if any, and make the next one active.

    One transaction, one round trip. Returns the batch, None when no tick waits, and
    whether the applied batch was still there to be finished.
    """
    arguments = {
        "key": _key(route),
        "applied": applied.id if applied else None,
        "queue": route.queue,
        "consumer": route.consumer,
        "max_events": limits.max_events,
        "min_events": limits.min_events,
        "min_interval": limits.min_interval or None,
        "keep_lag": limits.keep_lag or None,
    }
    following = _NEXT_BATCH.replace("{count}", _count(limits))
    finishing = [route.source_flavour.sql(_FINISH)] if applied else []
    asking = [*finishing, route.source_flavour.sql(following)]
    with waiting(connection, route):
        *_, finished, batches, _ = run_in_one_message(
            connection, ["begin", *_LOCK, *asking, "commit"], arguments
        )
    found = applied is None or finished == [(1,)]
    if not batches:
        return None, found
    batch_id, start, start_mark, end, end_mark, select = batches[0]
    return Batch(batch_id, Tick(start, start_mark), Tick(end, end_mark), select), found


def _count(limits: BatchLimits) -> LiteralString:
    """How many events to ask for, as SQL: no more of it than is needed, to spare the planner."""
    if limits.min_events:
        return "%(min_events)s::int4"
    if limits.min_interval or not limits.max_events:
        return "null::int4"
    if limits.keep_lag:
        # Nothing but empty ticks would otherwise ask for the newest tick: never old enough.
        return f"nullif(({_WANTED}), 0)::int4"
    return f"({_WANTED})::int4"


def has_news(connection: Connection, route: Route) -> bool:
    """Whether asking for a batch is worth it: one is active, or a tick waits.

    One cheap statement, for the many times an idle mover asks. Also true when the consumer
    is not registered: asking for a batch says so.
    """
    row = connection.execute(
        route.source_flavour.sql("""
        select s.sub_batch is not null
               or exists (select from {pgq}.tick t
                           where t.tick_queue = s.sub_queue and t.tick_id > s.sub_last_tick)
          from {pgq}.queue q
          join {pgq}.subscription s on s.sub_queue = q.queue_id
          join {pgq}.consumer c on c.co_id = s.sub_consumer
         where q.queue_name = %s and c.co_name = %s
        """),
        [route.queue, route.consumer],
    ).fetchone()
    return row != (False,)


@dataclass(frozen=True, slots=True)
class Usage:
    """How far the consumer was at a moment."""

    last_tick: int
    batch: int | None
    """The active batch."""
    at: float
    """Seconds, by the server's clock."""


def usage(connection: Connection, route: Route) -> Usage | None:
    """Where the consumer stands now; None when it is not registered."""
    with connection.cursor(row_factory=class_row(Usage)) as cursor:
        return cursor.execute(
            route.source_flavour.sql("""
            select last_tick, current_batch as batch,
                   extract(epoch from clock_timestamp())::float8 as at
              from {pgq}.get_consumer_info(%s, %s)
            """),
            [route.queue, route.consumer],
        ).fetchone()


def unlocked_sessions(connection: Connection, route: Route) -> str:
    """The sessions that seem to move this consumer's batches without our locks, as words.

    A legacy mover calls itself after its job, as we do; its statements are not ours. What other
    roles run is shown to members of pg_read_all_stats only.
    """
    row = connection.execute(
        route.source_flavour.sql(r"""
        select string_agg(format('pid %%s (%%s) from %%s', pid, application_name,
                                 coalesce(host(client_addr), 'local socket')), ', ' order by pid)
          from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()
           and (application_name = %(consumer)s
                or strpos(query, quote_literal(%(consumer)s)) > 0 and query ~* '{pgq}\.next_batch')
           and query !~ 'pg_advisory_xact_lock|sub_last_tick'
        """),
        {"consumer": route.consumer},
    ).fetchone()
    return str(row[0]) if row and row[0] else "no session of its name to be seen"


def finish(connection: Connection, route: Route, applied: Batch) -> bool:
    """Finish an applied batch. Returns False when it was not there any more."""
    arguments = {"key": _key(route), "applied": applied.id}
    with waiting(connection, route):
        *_, finished, _ = run_in_one_message(
            connection,
            ["begin", *_LOCK, route.source_flavour.sql(_FINISH), "commit"],
            arguments,
        )
    return finished == [(1,)]


def is_active(connection: Connection, route: Route, batch: Batch) -> bool:
    """Whether a batch is still active: nobody has finished it (`pgq.get_batch_info`)."""
    row = connection.execute(
        route.source_flavour.sql("select tick_id is not null from {pgq}.get_batch_info(%s)"),
        [batch.id],
    ).fetchone()
    return row == (True,)


def describe_event(connection: Connection, batch: Batch, route: Route, number: int) -> str:
    """Words for one event of a batch, by its number in the order of ids, from 1; 0: unknown."""
    # As bytes: its type may be what cannot be read.
    wanted = "format('%s (%s, type ', ev_id, ev_time)::bytea, convert_to(ev_type, 'SQL_ASCII')"
    select = event_select(batch, route, wanted) + f" offset {max(number - 1, 0)} limit 1"
    row = connection.execute(select.encode()).fetchone()
    if row is None or not number:
        return "one of the events"
    return f"event {row[0].decode()}{bytes(row[1] or b'').decode(errors='backslashreplace')})"


def event_select(batch: Batch, route: Route, columns: str) -> str:
    """The SELECT of a batch's events: chosen columns, in the order of their ids.

    It fails when the batch is not active any more: were the consumer unregistered, a rotation
    could have emptied the tables that the batch's own SQL names. Functions are asked, which look
    anew, not the snapshot of a COPY that may have waited for a lock; the second, which fails,
    is slow, so it is called only where the first finds no batch.
    """
    active = route.source_flavour.sql(_STILL_ACTIVE).replace("{batch}", str(batch.id))
    chosen = f"select {columns} from ({batch.sql}) ev where {active}"
    if route.tables:
        names = sql.SQL(", ").join(sql.Literal(name) for name in route.tables)
        chosen += f" and ev_extra1 in ({names.as_string()})"
    # Qualified: a chosen column of that name may be its text.
    return chosen + " order by ev.ev_id"
