"""The consumer on the target: its lock, its position, and the event table to write to.

Each call takes a connection; the mover owns the transactions.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from queue_mover.model import Log, Position, Route
from queue_mover.postgres import locks
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import TIMEOUTS, lock_key
from queue_mover.postgres.statements import BEGIN, has_function, run_in_one_message

LOCK_WAIT: LiteralString = "10s"

_EVENT_TABLE: LiteralString = "select {pgq}.quote_fqname({pgq}.current_event_table(%(queue)s))"

# By whether the target records origins. If another program has set the position since, its origin
# is unknown.
_POSITION: dict[bool, LiteralString] = {
    False: "select pgq_ext.get_last_tick(%(consumer)s), null, null",
    True: """
        select t.tick, o.source, o.mark
          from pgq_ext.get_last_tick(%(consumer)s) t (tick)
          left join queue_mover.get_origin(%(consumer)s) o on o.tick = t.tick
    """,
}

_SET_ROUTE: LiteralString = "select queue_mover.set_route(%(consumer)s, %(queue)s, %(filtered)s)"
_LOCK: LiteralString = "select pg_advisory_xact_lock(%(key)s)"
_LOCK_SOON: LiteralString = f"select set_config('lock_timeout', '{LOCK_WAIT}', true)"

_ADVANCE: LiteralString = (
    "select queue_mover.advance_position(%(consumer)s, %(before)s, %(tick)s, %(source)s, %(mark)s)"
)
_ADVANCE_UNRECORDED: LiteralString = """
    select pgq_ext.set_last_tick(%(consumer)s, %(tick)s::bigint)
     where pgq_ext.get_last_tick(%(consumer)s) is not distinct from %(before)s::bigint
"""

POSITION_CHANGED = "QM001"
"""SQLSTATE of `queue_mover.advance_position` for a position that has changed."""
LOCK_NOT_AVAILABLE = "55P03"
"""SQLSTATE of a lock timeout."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The result of the first round trip of a target transaction."""

    locked: bool
    table: str
    """The event table to copy into, quoted; valid for this transaction only. Empty: not read."""
    position: Position | None
    """None: the consumer has none here."""


def open_transaction(
    connection: Connection, route: Route, *, remembers: bool, copies: bool = True
) -> Opening:
    """Begin; try the consumer's lock; read the event table and the position. One round trip.

    `copies`: whether the table is written to; if not, it is not read, since a role that may call
    `insert_event` need not be allowed to.

    The lock comes before the transaction ID, so a mover that does not get it holds nothing back;
    the transaction ID comes before the table name: after a rotation between the two, no consumer
    would read the events. Of a batch that is split, `named_queues` looks up the tables later.
    """
    looks_up = copies and not route.split_field
    values = {"key": _key(route), "queue": route.target_queue, "consumer": route.consumer}
    _, _, locked, _, table, found = run_in_one_message(
        connection,
        [
            BEGIN,
            TIMEOUTS,
            "select pg_try_advisory_xact_lock(%(key)s)",
            "select txid_current()",
            route.target_flavour.sql(_EVENT_TABLE) if looks_up else "select ''",
            _POSITION[remembers],
        ],
        values,
    )
    return Opening(locked == [(True,)], str(table[0][0]), _position(found))


def commit_position(
    connection: Connection,
    route: Route,
    before: Position | None,
    after: Position,
    kept: tuple[int | None, int | None] | None = None,
) -> bool:
    """Advance the position and commit: the batch is now on the target. `kept`: the first and the
    last event ID of the batch (None: it is empty), where IDs are kept; else None.

    Returns False, and rolls back, when the position is no longer `before`: only a mover that
    takes no locks can change it while we hold the lock. Raises NotReadyError when IDs would
    collide.
    """
    values = _values(route, after) | {"before": before.tick if before else None}
    if after.source is None:
        return _commit_unrecorded(connection, values)
    statements = [_ADVANCE, "commit"]
    if kept is not None:
        from queue_mover.pgq import event_ids  # noqa: PLC0415

        statements.insert(1, event_ids.KEEP)
        values |= event_ids.values(route, before, kept)
    try:
        run_in_one_message(connection, statements, values)
    except psycopg.Error as error:
        if kept is not None and error.sqlstate == event_ids.REFUSED:
            connection.rollback()
            raise event_ids.refused(error) from error
        if error.sqlstate != POSITION_CHANGED:
            raise
        connection.rollback()
        return False
    return True


def _commit_unrecorded(connection: Connection, values: dict[str, object]) -> bool:
    """The same without the schema queue_mover: compared, but without a row lock."""
    advanced = connection.execute(_ADVANCE_UNRECORDED, values).fetchone()
    if advanced is None:
        connection.rollback()
        return False
    connection.commit()
    return True


def set_first_position(
    connection: Connection,
    route: Route,
    first: Callable[[], Position | None],
    *,
    remembers: bool,
) -> None:
    """Set the position of a consumer that has none, under its lock; `first` may find none to set.

    Does nothing when another mover holds the lock for long, or sets the position meanwhile.
    """
    try:
        with connection.transaction():
            if _locked_position(connection, route, remembers=remembers) or not (found := first()):
                return
            advance = _ADVANCE if found.source is not None else _ADVANCE_UNRECORDED
            connection.execute(advance, _values(route, found) | {"before": None})
    except psycopg.Error as error:
        if error.sqlstate not in (POSITION_CHANGED, LOCK_NOT_AVAILABLE):
            raise


def set_position(connection: Connection, route: Route, position: Position) -> None:
    """Set the position (`pgq_ext.set_last_tick`), and record its origin if known."""
    run_in_one_message(connection, _set_statements(position), _values(route, position))


def _set_statements(position: Position) -> list[LiteralString]:
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
    """Delete the position and its origin."""
    connection.execute("select pgq_ext.set_last_tick(%s, null::bigint)", [route.consumer])
    if remembers:
        connection.execute("select queue_mover.set_origin(%s, null, null, null)", [route.consumer])


def position(
    connection: Connection, route: Route, *, remembers: bool, records: bool = False
) -> Position | None:
    """The position; None: the consumer has none here. `records`: record the route, too."""
    recording = [_SET_ROUTE] if records else []
    values = {"consumer": route.consumer, **_recorded(route)}
    *_, found = run_in_one_message(connection, [*recording, _POSITION[remembers]], values)
    return _position(found)


def record_route(connection: Connection, route: Route) -> None:
    """Record which queue the consumer's mover writes to, and whether it has a filter."""
    connection.execute(_SET_ROUTE, {"consumer": route.consumer, **_recorded(route)})


def _recorded(route: Route) -> dict[str, object]:
    return {"queue": route.target_queue, "filtered": route.is_filtered}


def positions(
    connection: Connection, consumers: Iterable[str], source: str, *, remembers: bool
) -> dict[str, Position]:
    """The positions of these consumers, and all that came from a source; by consumer."""
    names = set(consumers)
    if remembers and has_function(connection, "queue_mover.consumers_of(text)"):
        rows = connection.execute("select queue_mover.consumers_of(%s)", [source])
        names |= {name for (name,) in rows}
    found = {
        name: position(connection, Route("", name, ""), remembers=remembers)
        for name in sorted(names)
    }
    return {name: each for name, each in found.items() if each is not None}


def settled_position(connection: Connection, route: Route, *, remembers: bool) -> Position | None:
    """The position, read under the consumer's lock; waiting for the lock times out."""
    with connection.transaction():
        return _locked_position(connection, route, remembers=remembers)


def _locked_position(connection: Connection, route: Route, *, remembers: bool) -> Position | None:
    """Take the consumer's lock, to the end of the transaction; the wait for it has an end. Then
    read the position."""
    values = {"key": _key(route), "consumer": route.consumer}
    statements = [_LOCK_SOON, _LOCK, _POSITION[remembers]]
    *_, found = run_in_one_message(connection, statements, values)
    return _position(found)


def _position(rows: list[tuple[Any, ...]]) -> Position | None:
    return Position(*rows[0]) if rows and rows[0][0] is not None else None


@contextmanager
def locked(connection: Connection, route: Route, log: Log) -> Iterator[None]:
    """A transaction under the consumer's lock, for which it waits: no batch is in progress."""
    with connection.transaction():
        key = [_key(route)]
        if connection.execute("select pg_try_advisory_xact_lock(%s)", key).fetchone() != (True,):
            holder = lock_holder(connection, route)
            log.info("waiting for the consumer's lock, which is held by %s", holder)
            connection.execute("select pg_advisory_xact_lock(%s)", key)
        yield


def lock_holder(connection: Connection, route: Route) -> str:
    """Describe the holder of the consumer's lock, for a log line."""
    return locks.lock_holder(connection, _key(route))


def _key(route: Route) -> int:
    return consumer_key(route.consumer)


def consumer_key(consumer: str) -> int:
    """The key of a consumer's advisory lock on the target."""
    return lock_key("target", consumer)
