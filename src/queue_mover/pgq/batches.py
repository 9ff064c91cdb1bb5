"""The consumer's batches on the source: allocate, select from, finish."""

from importlib import import_module
from typing import LiteralString

from psycopg import sql

from queue_mover.model import Batch, BatchLimits, Route, Tick
from queue_mover.pgq.source import LOCK, consumer_key, naming_lock_holder
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import BEGIN, run_in_one_message

# The event count for `pgq.next_batch_custom` with which a batch spans all waiting ticks up to the
# limit. Its `find_tick_helper` takes the newest tick unless more than twice the count is waiting:
# half of the waiting events makes it stop at the first tick that reaches the count. If the queue's
# sequence of event IDs has gone back (setval, a copy without its sequences), no count would be
# reached until it has caught up: then each batch is one tick.
_EVENT_COUNT: LiteralString = """
    select case when total < 0 then null
                when all_settled and total <= %(max_events)s then total
                else least(allowed, %(max_events)s, (total - 1) / 2) end
      from (select head.seq - here.tick_event_seq as total,
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
# The marks come from the function's result: it sees ticks newer than the caller's snapshot.
_NEXT_BATCH: LiteralString = """
    select batch_id,
           prev_tick_id, concat_ws(' ', extract(epoch from prev_tick_time), prev_tick_event_seq),
           cur_tick_id, concat_ws(' ', extract(epoch from cur_tick_time), cur_tick_event_seq),
           {pgq}.batch_event_sql(batch_id)
      from {pgq}.next_batch_custom(%(queue)s, %(consumer)s, %(keep_lag)s::interval,
                                 {count}, %(min_interval)s::interval)
     where batch_id is not null
"""
_FINISH: LiteralString = "select {pgq}.finish_batch(%(applied)s)"
_STILL_ACTIVE: LiteralString = """
    coalesce((select tick_id::text from {pgq}.get_batch_info({batch})),
             (select {pgq}.batch_event_sql({batch}))) is not null
"""


def next_batch(
    connection: Connection, route: Route, limits: BatchLimits, applied: Batch | None
) -> tuple[Batch | None, bool]:
    """Finish the applied batch, if any, and allocate the next one.

    One transaction, one round trip. Returns the batch, None when no tick is waiting, and
    whether the applied batch was still active.
    """
    arguments = {
        "key": consumer_key(route),
        "applied": applied.id if applied else None,
        "queue": route.queue,
        "consumer": route.consumer,
        "max_events": limits.max_events,
        "min_events": limits.min_events,
        "min_interval": limits.min_interval or None,
        "keep_lag": limits.keep_lag or None,
    }
    following = _NEXT_BATCH.replace("{count}", _event_count(limits))
    finishing = [route.source_flavour.sql(_FINISH)] if applied else []
    asking = [*finishing, route.source_flavour.sql(following)]
    with naming_lock_holder(connection, route):
        *_, finished, batches, _ = run_in_one_message(
            connection, [BEGIN, *LOCK, *asking, "commit"], arguments
        )
    found = applied is None or finished == [(1,)]
    if not batches:
        return None, found
    batch_id, start, start_mark, end, end_mark, select = batches[0]
    return Batch(batch_id, Tick(start, start_mark), Tick(end, end_mark), select), found


def _event_count(limits: BatchLimits) -> LiteralString:
    """The event count as SQL, no longer than needed: planning it costs time."""
    if limits.min_events:
        return "%(min_events)s::int4"
    if limits.min_interval or not limits.max_events:
        return "null::int4"
    if limits.keep_lag:
        # With only empty ticks waiting, 0 would ask for the newest tick, which is never old enough.
        return f"nullif(({_EVENT_COUNT}), 0)::int4"
    return f"({_EVENT_COUNT})::int4"


def has_work(connection: Connection, route: Route) -> bool:
    """Whether `next_batch` may return a batch: one is active, or a tick is waiting.

    One cheap statement, for idle movers. Also true when the consumer is not registered:
    `next_batch` then raises the error.
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


def finish(connection: Connection, route: Route, applied: Batch) -> bool:
    """Finish an applied batch. Returns False when it was no longer active."""
    arguments = {"key": consumer_key(route), "applied": applied.id}
    with naming_lock_holder(connection, route):
        *_, finished, _ = run_in_one_message(
            connection,
            [BEGIN, *LOCK, route.source_flavour.sql(_FINISH), "commit"],
            arguments,
        )
    return finished == [(1,)]


def is_active(connection: Connection, route: Route, batch: Batch) -> bool:
    """Whether a batch is still active, not finished (`pgq.get_batch_info`)."""
    row = connection.execute(
        route.source_flavour.sql("select tick_id is not null from {pgq}.get_batch_info(%s)"),
        [batch.id],
    ).fetchone()
    return row == (True,)


def written_columns(route: Route, columns: str) -> str:
    """Columns as they are written to the target."""
    if not route.rewrite:
        return columns
    # Imported when used: a start does not wait for it.
    return str(import_module("queue_mover.pgq.expressions").rewritten(columns, route))


def written_select(batch: Batch, route: Route, columns: str) -> str:
    """The SELECT of a batch's events as they are written to the target: these columns."""
    return event_select(batch, route, written_columns(route, columns))


def describe_event(
    connection: Connection,
    batch: Batch,
    route: Route,
    number: int,
    named: tuple[bytes, str] | None = None,
) -> str:
    """Describe one event of a batch, by its number in order of IDs, from 1; 0: unknown.

    `named`: the number counts only events whose `split_field` is this text in this encoding."""
    # As bytes: its type may be what cannot be decoded.
    words = "format('%s (%s, type ', ev_id, ev_time)::bytea", "convert_to(ev_type, 'SQL_ASCII')"
    if named:
        name, encoding = named
        split_field = written_columns(route, route.split_field)
        columns = f"ev_id, {words[0]} words, {words[1]} type, {split_field} named"
        select = (
            f"select words, type from ({event_select(batch, route, columns)}) described"
            f" where coalesce(convert_to(named, '{encoding}'), '') = '\\x{name.hex()}'::bytea"
            " order by ev_id"
        )
    else:
        select = event_select(batch, route, ", ".join(words))
    select += f" offset {max(number - 1, 0)} limit 1"
    row = connection.execute(select.encode()).fetchone()
    if row is None or not number:
        return "one of the events"
    return f"event {row[0].decode()}{bytes(row[1] or b'').decode(errors='backslashreplace')})"


def event_select(batch: Batch, route: Route, columns: str) -> str:
    """The SELECT of a batch's events: these columns, in order of event ID.

    It fails when the batch is no longer active: if the consumer was unregistered, a rotation may
    have truncated the tables that the batch's SQL names. Functions check this, since they see later
    commits than the snapshot of a COPY that has waited for a lock. The second one, which raises the
    error, is slow, so it is called only when the first finds no batch.
    """
    active = route.source_flavour.sql(_STILL_ACTIVE).replace("{batch}", str(batch.id))
    chosen = f"select {columns} from ({batch.sql}) ev where {active}"
    if route.tables:
        names = sql.SQL(", ").join(sql.Literal(name) for name in route.tables)
        chosen += f" and ev_extra1 in ({names.as_string()})"
    if route.event_filter:
        chosen += f" and ({route.event_filter}\n)"
    # Qualified: one of the columns may be ev_id cast to text.
    return chosen + " order by ev.ev_id"
