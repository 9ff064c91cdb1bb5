"""The consumer on the source: its lock, registration and progress, and the sessions that use it.

Each call takes a connection; the mover owns the transactions. `batches` has the consumer's batches.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from queue_mover.errors import UnavailableError
from queue_mover.model import Registration, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import SESSION, TIMEOUTS, lock_holder, lock_key
from queue_mover.postgres.statements import run_in_one_message

LOCK_WAIT: LiteralString = "30s"

LOCK: tuple[LiteralString, ...] = (
    TIMEOUTS,
    f"select set_config('lock_timeout', '{LOCK_WAIT}', true)",
    "select pg_advisory_xact_lock(%(key)s)",
)
"""Statements that take the consumer's lock."""


def lock(connection: Connection, route: Route) -> None:
    """Take the consumer's lock on the source until the end of the transaction.

    PgQ's `next_batch` locks nothing: two concurrent movers would get different batches. The lock
    is held for one round trip, longer only by a frozen mover; hence the timeout, which
    `naming_lock_holder` explains.
    """
    run_in_one_message(connection, LOCK, {"key": consumer_key(route)})


@contextmanager
def naming_lock_holder(connection: Connection, route: Route) -> Iterator[None]:
    """Name the holder of the consumer's lock when waiting for it times out."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        connection.rollback()
        holder = lock_holder(connection, consumer_key(route))
        raise UnavailableError(
            f"source database: the consumer's lock is held by {holder}"
        ) from error


def consumer_key(route: Route) -> int:
    """The key of the consumer's advisory lock on the source."""
    return lock_key("source", route.queue, route.consumer)


def is_registered(connection: Connection, route: Route) -> bool:
    """Whether the consumer is registered on the queue (`pgq.get_consumer_info`)."""
    found = connection.execute(
        route.source_flavour.sql("select from {pgq}.get_consumer_info(%s, %s)"),
        [route.queue, route.consumer],
    )
    return found.fetchone() is not None


def oldest_tick(connection: Connection, route: Route) -> int | None:
    """The oldest tick that the queue still has; None: no tick."""
    row = connection.execute(
        route.source_flavour.sql("""
        select min(t.tick_id) from {pgq}.queue q join {pgq}.tick t on t.tick_queue = q.queue_id
         where q.queue_name = %s
        """),
        [route.queue],
    ).fetchone()
    return row[0] if row else None


def newest_tick(connection: Connection, route: Route) -> int | None:
    """The queue's newest tick; None: no tick yet."""
    row = connection.execute(
        route.source_flavour.sql("select last_tick_id from {pgq}.get_queue_info(%s)"),
        [route.queue],
    ).fetchone()
    return row[0] if row else None


def registrations(connection: Connection, route: Route) -> list[Registration]:
    """All consumers of the queue (`pgq.get_consumer_info`), by name."""
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
    """The mark of a tick of the queue; None: no such tick."""
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
    """Register the consumer at a tick, or move it there; None: the newest tick."""
    connection.execute(
        route.source_flavour.sql("select {pgq}.register_consumer_at(%s, %s, %s)"),
        [route.queue, route.consumer, tick],
    )


def events_before(connection: Connection, route: Route) -> tuple[int, int]:
    """The tick of the registration, and the event numbers since the oldest tick up to it."""
    row = connection.execute(
        route.source_flavour.sql("""
        select s.sub_last_tick, here.tick_event_seq
               - (select min(t.tick_event_seq) from {pgq}.tick t where t.tick_queue = q.queue_id)
          from {pgq}.queue q
          join {pgq}.consumer c on c.co_name = %s
          join {pgq}.subscription s on s.sub_queue = q.queue_id and s.sub_consumer = c.co_id
          join {pgq}.tick here
            on here.tick_queue = q.queue_id and here.tick_id = s.sub_last_tick
         where q.queue_name = %s
        """),
        [route.consumer, route.queue],
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def unregister(connection: Connection, route: Route) -> bool:
    """Unregister the consumer. Returns whether it was registered."""
    row = connection.execute(
        route.source_flavour.sql("select {pgq}.unregister_consumer(%s, %s) > 0"),
        [route.queue, route.consumer],
    ).fetchone()
    return row == (True,)


@dataclass(frozen=True, slots=True)
class Progress:
    """The consumer's progress at one moment."""

    last_tick: int
    batch: int | None
    """The active batch."""
    at: float
    """The server's clock, in seconds."""


def progress(connection: Connection, route: Route) -> Progress | None:
    """The consumer's progress now; None: it is not registered."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        return cursor.execute(
            route.source_flavour.sql("""
            select last_tick, current_batch as batch,
                   extract(epoch from clock_timestamp())::float8 as at
              from {pgq}.get_consumer_info(%s, %s)
            """),
            [route.queue, route.consumer],
        ).fetchone()


def unlocked_sessions(connection: Connection, route: Route) -> str:
    """Sessions that appear to move this consumer's batches without our locks, for a message.

    A legacy mover sets application_name to its job, as we do, but runs other statements. Queries of
    other roles are visible only to members of pg_read_all_stats.
    """
    row = connection.execute(
        route.source_flavour.sql(
            f"select string_agg({SESSION}, ', ' order by pid)"
            r"""
          from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()
           and (application_name = %(consumer)s
                or strpos(query, quote_literal(%(consumer)s)) > 0 and query ~* '{pgq}\.next_batch')
           and query !~ 'pg_advisory_xact_lock|sub_last_tick'
        """
        ),
        {"consumer": route.consumer},
    ).fetchone()
    return str(row[0]) if row and row[0] else "no matching session visible"
