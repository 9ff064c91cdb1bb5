"""`pgqadm ticker`: one step of ticking, one round of maintenance. The caller owns the clock.

PgQ has a trap here. `pgq.ticker()` takes the snapshot of a tick first and its number a moment
later. Two tickers at the same moment (a pgqd and we) may number their snapshots in the wrong
order; an event that committed in between is then in two batches, and every consumer gets it
twice. So we tick alone: `pgq.tick` is locked against writers, pgqd included, for as long as the
call takes.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql

from queue_mover.errors import NotReadyError
from queue_mover.model import PGQ, Flavour
from queue_mover.pgq.refusals import explained, grant, is_lost
from queue_mover.pgq.server import transaction_ids
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import primary

LOCK_SECONDS = 3
"""How long to wait for locks; longer than PostgreSQL takes to cancel an autovacuum."""

MAX_CALLS = 1000
"""How often a maintenance function may be called in one round."""

_RETRY_EVENTS: LiteralString = "{pgq}.maint_retry_events"

# Several statements in one string: one round trip, and one transaction.
_TIMEOUT = sql.SQL("set local lock_timeout = {}; ").format(f"{LOCK_SECONDS}s")
_LOCK: LiteralString = "lock table {pgq}.tick in share row exclusive mode; "


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and what the server said when it failed."""

    name: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one step did: how many queues got a tick, and the calls that failed."""

    count: int
    failures: tuple[Call, ...] = ()


def tick(conn: Connection, flavour: Flavour = PGQ) -> Ticked:
    """Tick every queue that is due by its settings.

    Raises NotReadyError (a privilege or PgQ is missing, a standby) and driver errors that
    concern the connection; an error of one queue does not affect the others.
    """
    with explained(conn, grant(conn, flavour.admin), flavour):
        try:
            return Ticked(_ticker(conn, flavour, sql.SQL("")))
        except errors.InsufficientPrivilege:
            raise
        except errors.LockNotAvailable as error:
            busy = f"{primary(error)}: another ticker has a long transaction open"
            return Ticked(0, (Call(flavour.sql("{pgq}.ticker()"), busy),))
        except psycopg.Error as error:
            if is_lost(conn, error):
                raise
        return _tick_each(conn, flavour)


def _ticker(conn: Connection, flavour: Flavour, argument: sql.Composable) -> Any:
    call = sql.SQL(flavour.sql(_LOCK + "select {pgq}.ticker({})")).format(argument)
    return _last_value(conn, _TIMEOUT + call)


def _last_value(conn: Connection, statements: sql.Composed) -> Any:
    """The one value that the last of several statements returns."""
    cursor = conn.execute(statements)
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    return row[0] if row else None


def _tick_each(conn: Connection, flavour: Flavour) -> Ticked:
    """The same queue by queue, each in its own transaction."""
    queues = conn.execute(
        flavour.sql("""
        select queue_name, pg_is_in_recovery() from {pgq}.queue
         where not queue_external_ticker and not queue_ticker_paused
         order by 1
        """)
    ).fetchall()
    count, failures = 0, []
    for queue, is_standby in queues:
        if is_standby:
            raise NotReadyError(
                f'database "{conn.info.dbname}" is a standby; remedy: run the ticker on the primary'
            )
        try:
            count += _ticker(conn, flavour, sql.Literal(queue)) is not None
        except psycopg.Error as error:
            if is_lost(conn, error):
                raise
            failures.append(
                Call(f"{flavour.schema}.ticker({queue})", _why(conn, queue, error, flavour))
            )
    return Ticked(count, tuple(failures))


def _why(conn: Connection, queue: str, error: psycopg.Error, flavour: Flavour) -> str:
    """The server's message, and its cause where PgQ reports an invalid state."""
    raised = isinstance(error, errors.RaiseException)
    found = transaction_ids(conn, queue, flavour) if raised else None
    if found is None or not found.behind:
        return primary(error)
    return f"{primary(error)}: {found.problem}; remedy: {found.remedy}"


def maintain(conn: Connection, flavour: Flavour = PGQ) -> Generator[Call, None, None]:
    """One round of maintenance: retry events, rotation, and whatever else PgQ requests.

    A generator that yields after each call, so that its user can tick (and check its stop
    flag) in between: many retry events take a while. The calls after one that failed are made
    all the same.

    Raises NotReadyError and driver errors that concern the connection.
    """
    with explained(conn, grant(conn, flavour.admin), flavour):
        found = conn.execute(
            flavour.sql("select func_name, func_arg from {pgq}.maint_operations()")
        )
        operations = found.fetchall()
    yield from _retry_events(conn, flavour)
    for function, argument in operations:
        yield from _call_until_done(conn, function, argument)


def retry_events(conn: Connection, flavour: Flavour = PGQ) -> Generator[Call, None, None]:
    """Requeue the retry events that are due; yields and raises as `maintain` does."""
    with explained(conn, grant(conn, flavour.admin), flavour):
        yield from _retry_events(conn, flavour)


def _retry_events(conn: Connection, flavour: Flavour) -> Iterator[Call]:
    return _call_until_done(conn, flavour.sql(_RETRY_EVENTS), None, counts=True)


def _call_until_done(
    conn: Connection, function: str, argument: str | None, *, counts: bool = False
) -> Iterator[Call]:
    """Call until it is done. `counts`: it returns how many events it has requeued, a few at a
    time; others return 1 to be called again."""
    name = f"{function}({argument or ''})"
    calls, again = 0, True
    while again:
        if calls == MAX_CALLS and not counts:
            yield Call(
                name, f"not finished after {calls} calls; the rest is left for the next round"
            )
            return
        try:
            result = _call(conn, function, argument)
        except psycopg.Error as error:
            if is_lost(conn, error):
                raise
            yield Call(name, primary(error))
            return
        calls += 1
        again = bool(result) if counts else result == 1
        yield Call(name)


def _call(conn: Connection, function: str, argument: str | None) -> Any:
    """Do one maintenance operation; what it returns."""
    if function == "vacuum":
        _vacuum(conn, argument or "")
        return None
    arguments = sql.SQL("") if argument is None else sql.Literal(argument)
    call = sql.SQL("select {}({})").format(_identifier(conn, function), arguments)
    return _last_value(conn, _TIMEOUT + call)


def _vacuum(conn: Connection, table: str) -> None:
    """Vacuum; a table that the server skips (it warns only) is an error here."""
    warnings: list[str] = []

    def remember(notice: psycopg.errors.Diagnostic) -> None:
        warnings.append(notice.message_primary or "")

    conn.add_notice_handler(remember)
    try:
        conn.execute(sql.SQL("vacuum (skip_locked) {}").format(_identifier(conn, table)))
    finally:
        conn.remove_notice_handler(remember)
    if warnings:
        raise psycopg.NotSupportedError(warnings[0])


def _identifier(conn: Connection, name: str) -> sql.Identifier:
    """A name as PgQ writes it ("schema.name", without quotes as a rule), safely quoted."""
    row = conn.execute("select parse_ident(%s)", [name]).fetchone()
    assert row is not None
    return sql.Identifier(*row[0])
