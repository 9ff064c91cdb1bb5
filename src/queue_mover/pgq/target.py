"""The calls on the target: PgQ's event table, pgq_ext's position. The mover owns their order."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from queue_mover.errors import NotReadyError
from queue_mover.model import Log, Position, Route
from queue_mover.pgq import server
from queue_mover.postgres import locks
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import GUARDS, lock_key
from queue_mover.postgres.statements import has_function, run_in_one_message

LOCK_WAIT: LiteralString = "10s"

# By whether the target remembers origins. Somebody else may have set the position since: then its
# origin is not known.
_POSITION: dict[bool, LiteralString] = {
    False: "select pgq_ext.get_last_tick(%(consumer)s), null, null",
    True: """
        select t.tick, o.source, o.mark
          from pgq_ext.get_last_tick(%(consumer)s) t (tick)
          left join queue_mover.get_origin(%(consumer)s) o on o.tick = t.tick
    """,
}

_ADVANCE_FUNCTION = "queue_mover.advance_position(text, bigint, bigint, text, text)"

POSITION_CHANGED = "QM001"
"""SQLSTATE of `queue_mover.advance_position` for a position that is not what it was."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """What a mover must know of the target before its first batch."""

    queue_exists: bool
    inserts_disabled: bool
    may_copy: bool
    may_insert: bool
    may_record: bool
    remembers: bool
    """Whether the schema queue_mover is there, which knows where positions came from."""
    encoding: str
    role: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What the first round trip of a target transaction brings."""

    locked: bool
    table: str
    """The event table that takes inserts now, quoted; good for this transaction only."""
    position: Position | None
    """None when the consumer has none here."""


def inspect(connection: Connection, route: Route) -> TargetState:
    """Look at the target. Raises NotReadyError when PgQ or pgq_ext is not there at all, or on a
    standby."""
    server.require_primary(connection, "target")
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
                            true) as may_copy,
                   has_function_privilege(
                     'pgq.insert_event(text, text, text, text, text, text, text)', 'execute')
                     as may_insert,
                   has_function_privilege('pgq_ext.set_last_tick(text, bigint)', 'execute')
                     and coalesce(has_function_privilege(
                       to_regprocedure(%s), 'execute'), true) as may_record,
                   to_regprocedure(%s) is not null as remembers,
                   current_setting('server_encoding') as encoding,
                   current_user::text as role
              from (values (%s)) as wanted (name)
              left join pgq.queue q on q.queue_name = wanted.name
            """,
            [_ADVANCE_FUNCTION, _ADVANCE_FUNCTION, route.target_queue],
        )
        state = cursor.fetchone()
    assert state is not None
    return state


def check(state: TargetState, route: Route, *, inserts: bool = False) -> None:
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
    if inserts and not state.may_insert:
        raise NotReadyError(
            f'target database: role "{role}" may not call pgq.insert_event;'
            f' remedy: GRANT pgq_writer TO "{role}"'
        )
    if not inserts and not state.may_copy:
        raise NotReadyError(
            f'target database: role "{role}" may not insert into the event tables of'
            f' "{queue}"; remedy: GRANT pgq_admin TO "{role}", or write_with = insert_event'
        )
    if not state.may_record:
        raise NotReadyError(
            f'target database: role "{role}" may not set the position;'
            f' remedy: GRANT pgq_writer TO "{role}"'
        )


def open_transaction(connection: Connection, route: Route, *, remembers: bool) -> Opening:
    """Begin; take the consumer's lock; learn the event table and the position. One round trip.

    The lock comes before the transaction id, so a mover that finds it taken holds nothing
    back; the transaction id comes before the table name, since a rotation between the two
    would have the events written where no consumer looks any more.
    """
    values = {"key": _key(route), "queue": route.target_queue, "consumer": route.consumer}
    _, _, locked, _, table, found = run_in_one_message(
        connection,
        [
            "begin",
            GUARDS,
            "select pg_try_advisory_xact_lock(%(key)s)",
            "select txid_current()",
            route.target_flavour.sql(
                "select {pgq}.quote_fqname({pgq}.current_event_table(%(queue)s))"
            ),
            _POSITION[remembers],
        ],
        values,
    )
    return Opening(locked == [(True,)], str(table[0][0]), _position(found))


def commit_position(
    connection: Connection, route: Route, before: Position | None, after: Position
) -> bool:
    """Advance the position and commit: the batch is now on the target.

    Returns False, and rolls back, when the position is not `before` any more: the lock that we
    hold keeps it from every mover but one that takes no locks.
    """
    values = _values(route, after) | {"before": before.tick if before else None}
    if after.source is None:
        return _commit_unrecorded(connection, values)
    advance: LiteralString = (
        "select queue_mover.advance_position(%(consumer)s, %(before)s, %(tick)s,"
        " %(source)s, %(mark)s)"
    )
    try:
        run_in_one_message(connection, [advance, "commit"], values)
    except psycopg.Error as error:
        if error.sqlstate != POSITION_CHANGED:
            raise
        connection.rollback()
        return False
    return True


def _commit_unrecorded(connection: Connection, values: dict[str, object]) -> bool:
    """The same where the schema queue_mover is missing: compared, but not under the row's lock."""
    advanced = connection.execute(
        """
        select pgq_ext.set_last_tick(%(consumer)s, %(tick)s::bigint)
         where pgq_ext.get_last_tick(%(consumer)s) is not distinct from %(before)s::bigint
        """,
        values,
    ).fetchone()
    if advanced is None:
        connection.rollback()
        return False
    connection.commit()
    return True


def set_position(connection: Connection, route: Route, position: Position) -> None:
    """Record the last tick applied (`pgq_ext.set_last_tick`), and where it came from if known."""
    run_in_one_message(connection, _setting(position), _values(route, position))


def _setting(position: Position) -> list[LiteralString]:
    statements: list[LiteralString] = [
        "select pgq_ext.set_last_tick(%(consumer)s, %(tick)s::bigint)"
    ]
    if position.source is not None:
        statements.append(
            "select queue_mover.set_origin(%(consumer)s, %(source)s, %(tick)s, %(mark)s)"
        )
    return statements


def _values(route: Route, position: Position) -> dict[str, object]:
    return {
        "consumer": route.consumer,
        "tick": position.tick,
        "source": position.source,
        "mark": position.mark,
    }


def forget_position(connection: Connection, route: Route, *, remembers: bool) -> None:
    """Forget the position, and where it came from."""
    connection.execute("select pgq_ext.set_last_tick(%s, null::bigint)", [route.consumer])
    if remembers:
        connection.execute("select queue_mover.set_origin(%s, null, null, null)", [route.consumer])


def position(connection: Connection, route: Route, *, remembers: bool) -> Position | None:
    """The position, None when the consumer has none here."""
    values = {"consumer": route.consumer}
    return _position(connection.execute(_POSITION[remembers], values).fetchall())


def positions(
    connection: Connection, consumers: Iterable[str], source: str, *, remembers: bool
) -> dict[str, Position]:
    """The positions of these consumers, and of all that came from a source; by consumer."""
    names = set(consumers)
    if remembers and has_function(connection, "queue_mover.consumers_of(text)"):
        rows = connection.execute("select queue_mover.consumers_of(%s)", [source])
        names |= {name for (name,) in rows}
    found = {
        name: position(connection, Route("", name, ""), remembers=remembers)
        for name in sorted(names)
    }
    return {name: there for name, there in found.items() if there is not None}


def settled_position(connection: Connection, route: Route, *, remembers: bool) -> Position | None:
    """The position once nobody is at work on it. The wait for the consumer's lock has an end."""
    with connection.transaction():
        connection.execute(f"select set_config('lock_timeout', '{LOCK_WAIT}', true)")
        connection.execute("select pg_advisory_xact_lock(%s)", [_key(route)])
        return position(connection, route, remembers=remembers)


def _position(rows: list[tuple[Any, ...]]) -> Position | None:
    return Position(*rows[0]) if rows and rows[0][0] is not None else None


@contextmanager
def locked(connection: Connection, route: Route, log: Log) -> Iterator[None]:
    """A transaction that waits for the consumer's lock: no batch is on its way meanwhile."""
    with connection.transaction():
        key = [_key(route)]
        if connection.execute("select pg_try_advisory_xact_lock(%s)", key).fetchone() != (True,):
            holder = lock_holder(connection, route)
            log.info("waiting for the consumer's lock, which is held by %s", holder)
            connection.execute("select pg_advisory_xact_lock(%s)", key)
        yield


def lock_holder(connection: Connection, route: Route) -> str:
    """Who holds the consumer's lock, as words for a log line."""
    return locks.lock_holder(connection, _key(route))


def _key(route: Route) -> int:
    return lock_key("target", route.consumer)
