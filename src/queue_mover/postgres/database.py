"""One connection to one database, opened when first needed."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

import psycopg
from psycopg import conninfo

from queue_mover.errors import StoppingError
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres.connection import Connection, TimedConnection
from queue_mover.postgres.conninfo import describe
from queue_mover.postgres.translation import translating_errors

DEFAULTS: dict[str, str] = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""libpq parameters (seconds; milliseconds for tcp_user_timeout) that a connect string may
override: a dead host must not block us, or the lock we hold, for hours."""


class Sessions(Protocol):
    """Where a mover gets its connections from, for one unit of work at a time."""

    def session(self) -> AbstractContextManager[Connection]:
        """A connection, outside a transaction."""

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, it waits for a server."""

    def close(self) -> None:
        """Release the connections; those that nobody else uses are closed."""

    def abandon(self) -> None:
        """From another thread: cut the connection in use."""


class Database:
    """One connection to one database: opened when first needed, replaced after its lifetime.

    Any error inside `session` closes the connection, so the next session starts clean.
    """

    def __init__(
        self,
        side: str,
        text: str,
        application_name: str,
        lifetime: float = 0,
        flavour: Flavour = PGQ,
    ) -> None:
        """`lifetime` is in seconds; 0: for ever. `flavour`: of its PgQ, for errors."""
        self.side = side
        self._text = text
        self._application_name = application_name
        self._lifetime = lifetime
        self._flavour = flavour
        self._connection: Connection | None = None
        self._abandoned = False
        self._opened = 0.0
        self._connecting_since: float | None = None

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """The connection, for a piece of work that leaves it outside a transaction."""
        try:
            with translating_errors(self.side, self._flavour):
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
            raise StoppingError(f"{self.side} database: connection abandoned")
        return self._connection

    def _connect(self) -> Connection:
        given = conninfo.conninfo_to_dict(self._text)
        defaults = {"application_name": self._application_name, **DEFAULTS}
        if os.environ.get("PGCONNECT_TIMEOUT", "").isdecimal():
            # The only one of them that libpq's environment has.
            del defaults["connect_timeout"]
        missing = {key: value for key, value in defaults.items() if key not in given}
        try:
            connection: Connection = TimedConnection.connect(
                self._text,
                autocommit=True,
                # PgBouncer in transaction mode would run a prepared statement on another server.
                prepare_threshold=None,
                client_encoding="UTF8",
                **missing,  # type: ignore[arg-type]
            )
        except psycopg.errors.ConnectionTimeout as error:
            # Unlike libpq's own messages, this one does not name the server.
            raise psycopg.errors.ConnectionTimeout(f"{error} ({describe(self._text)})") from None
        # For `transaction()`, as BEGIN of `statements`.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        side = self.side or "database"
        logging.getLogger(__name__).debug("connected to %s: %s", side, describe(self._text))
        return connection

    @property
    def is_open(self) -> bool:
        """From any thread: whether there is a connection."""
        connection = self._connection
        return connection is not None and not connection.closed

    def _age(self) -> float:
        return time.monotonic() - self._opened

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, it waits for the server."""
        connection = self._connection
        if isinstance(connection, TimedConnection):
            return connection.waiting_since
        return self._connecting_since

    def close(self) -> None:
        """Close the connection; the server rolls back an open transaction."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abandon(self) -> None:
        """Cut the connection that another thread is using: its call fails at once, and so does
        its next one.

        Only shuts the socket down, which no frozen server can delay; the server rolls back.
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
        """Make it usable again, for other clients."""
        self._abandoned = False
