"""Hold a mover at a certain point, by the locks it needs; and see that it has got there.

A lock is held as long as the connection that is returned stays open: use it in a `with`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from queue_mover.postgres.locks import lock_key
from testbed import processes
from testbed.database import Database
from testbed.processes import wait_until
from testbed.queues import qualified, queue_table
from testbed.sessions import backends, blocked
from tests.moving.pair import Pair

MID_COPY = 4711
"""The advisory lock at which a COPY waits, once `stop_copy_at` has been called."""


def hold_table(
    database: Database, table: str, mode: str = "access exclusive"
) -> psycopg.Connection:
    """Hold a lock on a table."""
    conn = database.connect()
    conn.autocommit = False
    conn.execute(sql.SQL("lock table {} in {} mode").format(qualified(table), sql.SQL(mode)))
    return conn


def hold_advisory(database: Database, key: int) -> psycopg.Connection:
    """Hold an advisory lock."""
    conn = database.connect(application_name="the test")
    conn.execute("select pg_advisory_lock(%s)", [key])
    return conn


def hold_source(pair: Pair) -> psycopg.Connection:
    """Hold the consumer's lock on the source: no batch begins, none is finished."""
    return hold_advisory(pair.source_db, lock_key("source", pair.queue, pair.consumer))


def hold_target(pair: Pair) -> psycopg.Connection:
    """Hold the consumer's lock on the target: no batch is applied."""
    return hold_advisory(pair.target_db, lock_key("target", pair.consumer))


def hold_subscription(pair: Pair) -> psycopg.Connection:
    """Let a next batch be looked for, and not be made active."""
    conn = pair.source_db.connect()
    conn.autocommit = False
    conn.execute("select from pgq.subscription for update")
    return conn


def stop_copy_at(pair: Pair, data: str) -> None:
    """From now on, the COPY of an event with this data waits for the lock MID_COPY."""
    function = sql.SQL("""
        create function public.wait_here() returns trigger language plpgsql as $$
        begin
            if new.ev_data = {} then perform pg_advisory_xact_lock({}); end if;
            return new;
        end $$
    """)
    pair.target.execute(function.format(sql.Literal(data), sql.Literal(MID_COPY)))
    table = queue_table(pair.target, pair.target_queue) + "_0"
    trigger = sql.SQL(
        "create trigger wait_here before insert on {} for each row"
        " execute function public.wait_here()"
    )
    pair.target.execute(trigger.format(qualified(table)))


def hold_copy(pair: Pair) -> psycopg.Connection:
    """Let the COPY of `stop_copy_at` wait."""
    return hold_advisory(pair.target_db, MID_COPY)


def wait_until_blocked(conn: psycopg.Connection, application: str = "mover") -> None:
    """Wait until a mover waits for a lock in this database."""
    wait_until(
        lambda: blocked(conn, application),
        30,
        f"{application} to be blocked",
    )


def end_backends(conn: psycopg.Connection, application: str = "mover") -> None:
    """End what a process has left running in this database, as the loss of the machine would.

    A server goes on with the statements that a killed client had sent already.
    """
    conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name = %s",
        [application],
    )
    wait_until(
        lambda: not backends(conn, application),
        30,
        f"the backends of {application} to end",
    )


@contextmanager
def killed_at(
    pair: Pair,
    switch: str,
    hold: Callable[[Pair], psycopg.Connection],
    side: psycopg.Connection,
    *arguments: str,
) -> Iterator[None]:
    """The command has been killed while it waited for a lock on this side."""
    with hold(pair), processes.mover(pair.ini(), switch, *arguments, name="mover") as command:
        wait_until_blocked(side)
        command.kill()
        end_backends(pair.source)
        end_backends(pair.target)
    yield


def hold_registrations(pair: Pair) -> psycopg.Connection:
    """Registrations can be read, not changed."""
    return hold_table(pair.source_db, "pgq.subscription", "share")


def hold_positions(pair: Pair) -> psycopg.Connection:
    """Positions can be read, not changed."""
    return hold_table(pair.target_db, "pgq_ext.completed_tick", "share")
