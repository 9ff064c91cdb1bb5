"""Connections, and the one boundary that turns the driver's errors into ours."""

import errno
import hashlib
import logging
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from difflib import get_close_matches
from typing import Any, LiteralString, Protocol

import psycopg
from psycopg import conninfo, errors, pq

from queue_mover import outage, timed
from queue_mover.errors import NotReadyError, StatementError, StoppingError, UnavailableError
from queue_mover.timed import TimedConnection

Connection = timed.Connection
Cursor = psycopg.Cursor[tuple[Any, ...]]

DEFAULTS: dict[str, str] = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""libpq parameters (seconds; milliseconds for tcp_user_timeout) that a connect string may
override: a peer whose host has died must not hold us, or the lock we hold, for hours."""

GUARDS: LiteralString = """
    select set_config('idle_in_transaction_session_timeout', '300s', true),
           set_config('tcp_keepalives_idle', '30', true),
           set_config('tcp_keepalives_interval', '10', true),
           set_config('tcp_keepalives_count', '3', true)
"""
"""For a transaction with the consumer's lock: should our host die in the middle of it, the server
must not hold the lock for hours."""

PASSING_SQLSTATES = ("08", "25P03", "53", "55P03", "57")
"""Connections that failed, or idled in a transaction; disk, memory or slots used up; a lock
timeout; shutdowns, terminations and statement timeouts: troubles of the server that may pass,
not of what was asked."""


def one_line(text: str) -> str:
    """Fold a server's or libpq's message into one line."""
    return " ".join(text.split())


def lock_key(*names: str) -> int:
    """A key for PostgreSQL's advisory locks: the same 64 bits for the same names, everywhere."""
    digest = hashlib.sha256("\0".join(("queue_mover", *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def check_conninfo(text: str) -> None:
    """Raise ValueError, without the text itself, when libpq could not read a connect string."""
    try:
        timeout = conninfo.conninfo_to_dict(text).get("connect_timeout") or 0
    except psycopg.Error as error:
        # libpq's own message quotes the part it stumbled over: perhaps a password.
        raise ValueError(
            f"not a connect string{_misspelt(str(error))}; write key=value pairs"
            " ('host=db1 dbname=app') or a URI ('postgresql://db1/app')"
        ) from None
    try:
        int(timeout)
    except ValueError:
        raise ValueError("connect_timeout in it is not a whole number of seconds") from None


def _misspelt(message: str) -> str:
    """The bad key that libpq's message quotes; only if it resembles a key, so that it gives away
    no part of a password."""
    quoted = re.search(r'"([^"]*)"', message)
    key = quoted[1] if quoted else ""
    keys = [option.keyword.decode() for option in pq.Conninfo.get_defaults()]
    close = [_OTHER_KEYS[key]] if key in _OTHER_KEYS else get_close_matches(key, keys, 1, 0.8)
    if not close or key in keys:
        return ""
    return f': no key "{key}" in it, did you mean {close[0]}?'


_OTHER_KEYS = {
    **dict.fromkeys(("pass", "passwd", "pwd", "pw"), "password"),
    **dict.fromkeys(("db", "database"), "dbname"),
    **dict.fromkeys(("username", "login"), "user"),
    **dict.fromkeys(("hostname", "server"), "host"),
}
"""What other drivers call libpq's keys."""


def password(text: str) -> str | None:
    """The password that a connect string holds, if any; an empty one is none."""
    value = conninfo.conninfo_to_dict(text).get("password")
    return str(value) if value else None


def describe(text: str) -> str:
    """Where a connect string leads, for messages: never a password."""
    values = conninfo.conninfo_to_dict(text)
    shown = [f"{key}={values[key]}" for key in ("host", "port", "dbname", "user") if key in values]
    return " ".join(shown) or "the default database"


def location(text: str) -> tuple[str, ...]:
    """Which database a connect string leads to, as far as it says: whatever else is in it."""
    values = conninfo.conninfo_to_dict(text)
    return tuple(str(values.get(key, "")) for key in ("host", "hostaddr", "port", "dbname"))


def has_function(connection: Connection, signature: str) -> bool:
    """Whether the database has a function, by its `name(argument types)`."""
    row = connection.execute("select to_regprocedure(%s) is not null", [signature]).fetchone()
    return row == (True,)


def lock_holder(connection: Connection, key: int) -> str:
    """Who holds an advisory lock, as words for a log line."""
    bits = key & 0xFFFF_FFFF_FFFF_FFFF
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
        [bits >> 32, bits & 0xFFFF_FFFF],
    ).fetchone()
    return str(row[0]) if row else "another mover"


def together(
    connection: Connection, statements: Sequence[LiteralString], values: Mapping[str, object]
) -> list[list[tuple[Any, ...]]]:
    """Run several statements as one message: one round trip, and one time to wake the server.

    A pipeline would send a message for each. Returns the rows of each statement.
    """
    results = []
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(";".join(statements), values)
        for _ in statements:
            results.append([] if cursor.rownumber is None else cursor.fetchall())
            cursor.nextset()
    return results


@contextmanager
def boundary(side: str) -> Iterator[None]:
    """Turn driver errors into ours, naming the side ("source", "target", "database").

    Raises UnavailableError, NotReadyError (a privilege is missing, or PgQ itself refused)
    or StatementError.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, side) from error
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        # The driver waits for a connection with a file descriptor more.
        place = f"{side} database".lstrip()
        raise UnavailableError(
            f"{place} not available: too many open files; remedy: raise the limit"
            " (ulimit -n, LimitNOFILE=)",
            place,
            "too many open files",
        ) from error


def translate(error: psycopg.Error, side: str) -> Exception:
    """Which of our errors a driver error is. `side` may be empty: "database" alone."""
    place = f"{side} database".lstrip()
    state = error.sqlstate or ""
    message = one_line(error.diag.message_primary or str(error))
    passing = state.startswith(PASSING_SQLSTATES) or (
        not state and isinstance(error, errors.OperationalError)
    )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        words = f"{place} is read-only; remedy: connect to the primary"
        return UnavailableError(words, place, "read-only")
    refused = errors.InvalidCatalogName | errors.InvalidAuthorizationSpecification
    if passing or isinstance(error, refused):
        kind = outage.kind(state, message)
        return UnavailableError(f"{place} not available: {message}", place, kind)
    if isinstance(error, errors.InsufficientPrivilege):
        remedy = "pgq_reader" if side == "source" else "pgq_admin"
        return NotReadyError(f"{place}: {message}; remedy: GRANT {remedy} TO the role")
    if isinstance(error, errors.RaiseException):
        return NotReadyError(f"{place}: PgQ says: {message}")
    context = one_line(error.diag.context or "")
    return StatementError(f"{place}: {message}" + (f" ({context})" if context else ""))


class Sessions(Protocol):
    """Where a mover gets a connection from, for one piece of work at a time."""

    def session(self) -> AbstractContextManager[Connection]:
        """A connection, outside a transaction."""

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, a server owes an answer."""

    def close(self) -> None:
        """Need no more; what nobody else needs is closed."""

    def abandon(self) -> None:
        """From another thread: cut what is open."""


class Database:
    """One connection to one database: opened when first needed, replaced when it has aged.

    Any error inside `session` closes the connection, so what follows starts clean.
    """

    def __init__(self, side: str, text: str, application_name: str, lifetime: float = 0) -> None:
        """`lifetime` is in seconds; 0: for ever."""
        self.side = side
        self._text = text
        self._application_name = application_name
        self._lifetime = lifetime
        self._connection: Connection | None = None
        self._abandoned = False
        self._opened = 0.0
        self._connecting_since: float | None = None

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """The connection, for a piece of work that leaves it outside a transaction."""
        try:
            with boundary(self.side):
                yield self._current()
        except BaseException:
            self.close()
            raise

    def _current(self) -> Connection:
        if self._connection and self._lifetime and self._age() > self._lifetime:
            self.close()
        if self._connection is None or self._connection.closed:
            self._connecting_since = time.monotonic()
            try:
                self._connection = self._connect()
            finally:
                self._connecting_since = None
            self._opened = time.monotonic()
        if self._abandoned:
            raise StoppingError(f"{self.side} database: given up")
        return self._connection

    def _connect(self) -> Connection:
        given = conninfo.conninfo_to_dict(self._text)
        defaults = {"application_name": self._application_name, **DEFAULTS}
        missing = {key: value for key, value in defaults.items() if key not in given}
        connection: Connection = TimedConnection.connect(
            self._text,
            autocommit=True,
            # PgBouncer in transaction mode would run a prepared statement elsewhere.
            prepare_threshold=None,
            client_encoding="UTF8",
            **missing,  # type: ignore[arg-type]
        )
        side = self.side or "database"
        logging.getLogger(__name__).debug("connected to %s: %s", side, describe(self._text))
        return connection

    def _age(self) -> float:
        return time.monotonic() - self._opened

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, the server owes an answer."""
        connection = self._connection
        if isinstance(connection, TimedConnection):
            return connection.waiting_since
        return self._connecting_since

    def close(self) -> None:
        """Give the connection up; an open transaction is rolled back by the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        """Cut the connection under a thread that is using it: its call fails at once, and so does
        the next one.

        Only the socket is shut, which no frozen server can delay; the server rolls back.
        """
        self._abandoned = True
        connection = self._connection
        if connection is None or connection.closed:
            return
        with (
            suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(connection.fileno())) as wire,
        ):
            wire.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Who abandoned it uses it no more: it may serve others."""
        self._abandoned = False
