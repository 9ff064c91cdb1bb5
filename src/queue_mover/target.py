"""The calls on the target: PgQ's event table, pgq_ext's position. The mover owns their order."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg.rows import class_row

from queue_mover.db import Connection, has_function, lock_key
from queue_mover.errors import NotReadyError
from queue_mover.model import Route


@dataclass(frozen=True, slots=True)
class TargetState:
    """What a mover must know of the target before its first batch."""

    queue_exists: bool
    inserts_disabled: bool
    may_write: bool
    may_record: bool
    encoding: str
    role: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What the first round trip of a target transaction brings."""

    locked: bool
    table: str
    """The event table that takes inserts now, quoted; good for this transaction only."""
    position: int | None
    """The last tick applied; None when the consumer has none here."""


def inspect(connection: Connection, route: Route) -> TargetState:
    """Look at the target. Raises NotReadyError when PgQ or pgq_ext is not there at all."""
    for signature, part in [
        ("pgq.current_event_table(text)", "PgQ"),
        ("pgq_ext.set_last_tick(text, bigint)", "pgq_ext"),
    ]:
        if not has_function(connection, signature):
            raise NotReadyError(
                f"target database: {part} is not installed; remedy: pgqadm.py CONFIG install"
            )
    with connection.cursor(row_factory=class_row(TargetState)) as cursor:
        cursor.execute(
            """
            select q.queue_name is not null as queue_exists,
                   coalesce(q.queue_disable_insert, false) as inserts_disabled,
                   coalesce(has_table_privilege(q.queue_data_pfx || '_0', 'insert')
                            and has_sequence_privilege(q.queue_event_seq, 'usage')
                            and has_function_privilege('pgq.current_event_table(text)', 'execute'),
                            true) as may_write,
                   has_function_privilege('pgq_ext.set_last_tick(text, bigint)', 'execute')
                     as may_record,
                   current_setting('server_encoding') as encoding,
                   current_user::text as role
              from (values (%s)) as wanted (name)
              left join pgq.queue q on q.queue_name = wanted.name
            """,
            [route.target_queue],
        )
        state = cursor.fetchone()
    assert state is not None
    return state


def check(state: TargetState, route: Route) -> None:
    """Raise NotReadyError, with the remedy, when a batch could not be written."""
    queue, role = route.target_queue, state.role
    if not state.queue_exists:
        raise NotReadyError(
            f'target database: no queue "{queue}"; remedy: pgqadm.py CONFIG create {queue}'
        )
    if state.inserts_disabled:
        raise NotReadyError(
            f'target database: inserts into queue "{queue}" are disabled; remedy:'
            f" UPDATE pgq.queue SET queue_disable_insert = false WHERE queue_name = '{queue}'"
        )
    if not state.may_write:
        raise NotReadyError(
            f'target database: role "{role}" may not insert into the event tables of'
            f' "{queue}"; remedy: GRANT pgq_admin TO "{role}"'
        )
    if not state.may_record:
        raise NotReadyError(
            f'target database: role "{role}" may not call pgq_ext.set_last_tick;'
            f' remedy: GRANT pgq_writer TO "{role}"'
        )


def open_transaction(connection: Connection, route: Route) -> Opening:
    """Begin; take the consumer's lock; learn the event table and the position. One round trip.

    The lock comes before the transaction id, so a mover that finds it taken holds nothing
    back; the transaction id comes before the table name, since a rotation between the two
    would have the events written where no consumer looks any more.
    """
    with connection.pipeline():
        connection.execute("begin")
        locked = connection.execute("select pg_try_advisory_xact_lock(%s)", [_key(route)])
        connection.execute("select txid_current()")
        found = connection.execute(
            "select pgq.quote_fqname(pgq.current_event_table(%s)), pgq_ext.get_last_tick(%s)",
            [route.target_queue, route.consumer],
        )
    table, position = found.fetchone() or (None, None)
    return Opening(locked.fetchone() == (True,), table, position)


def commit_position(connection: Connection, route: Route, tick: int) -> None:
    """Set the position and commit, in one round trip: the batch is now on the target."""
    with connection.pipeline():
        set_position(connection, route, tick)
        connection.execute("commit")


def set_position(connection: Connection, route: Route, tick: int | None) -> None:
    """Set the position; None forgets it (`pgq_ext.set_last_tick`)."""
    connection.execute("select pgq_ext.set_last_tick(%s, %s::bigint)", [route.consumer, tick])


def position(connection: Connection, route: Route) -> int | None:
    """The last tick applied, None when the consumer has none here."""
    row = connection.execute("select pgq_ext.get_last_tick(%s)", [route.consumer]).fetchone()
    return row[0] if row else None


@contextmanager
def locked(connection: Connection, route: Route) -> Iterator[None]:
    """A transaction that waits for the consumer's lock: no batch is on its way meanwhile."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [_key(route)])
        yield


def lock_holder(connection: Connection, route: Route) -> str:
    """Who holds the consumer's lock, as words for a log line."""
    key = _key(route) & 0xFFFF_FFFF_FFFF_FFFF
    row = connection.execute(
        """
        select format('pid %%s (%%s) from %%s, its transaction open since %%s',
                      a.pid, a.application_name, coalesce(a.client_addr::text, 'local socket'),
                      date_trunc('second', a.xact_start))
          from pg_locks l join pg_stat_activity a using (pid)
         where l.locktype = 'advisory' and l.granted and l.objsubid = 1
           and l.database = (select oid from pg_database where datname = current_database())
           and l.classid::bigint = %s and l.objid::bigint = %s
        """,
        [key >> 32, key & 0xFFFF_FFFF],
    ).fetchone()
    return str(row[0]) if row else "another mover"


def _key(route: Route) -> int:
    return lock_key("target", route.consumer)
