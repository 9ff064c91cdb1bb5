"""A pool of a few connections to one database, shared by many threads."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock

from queue_mover.errors import StoppingError, UnavailableError
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database

Waiter = SimpleQueue[Database | None]
"""The queue in which a waiting client receives a database."""


class Pool:
    """Connections that clients use for one unit of work at a time.

    A pool that reconnects in the background would hide its errors from the operator; here the
    thread that needs a connection opens it and gets the error. The most recently used connection
    is taken first, so that no more are opened than are needed at the same time.
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        self._all = tuple(databases)
        self._free = list(databases)
        self._urgent: deque[Waiter] = deque()
        self._others: deque[Waiter] = deque()
        self._clients = 0
        self._lock = Lock()

    @property
    def open(self) -> int:
        """From any thread: how many connections are open."""
        return sum(database.is_open for database in self._all)

    def client(self) -> "PoolClient":
        """Add a client, which must be closed once."""
        with self._lock:
            self._clients += 1
        return PoolClient(self)

    def acquire(self, waiter: Waiter, *, urgent: bool) -> Database | None:
        """Wait for a free database, in order of arrival, for exclusive use.

        Returns None if a None is put into the waiter.
        """
        waiters = self._urgent if urgent else self._others
        with self._lock:
            if self._free:
                return self._free.pop()
            waiters.append(waiter)
        database = waiter.get()
        if database is None:
            with self._lock:
                if waiter in waiters:
                    waiters.remove(waiter)
                    return None
            # It has just received a database.
            database = waiter.get()
        return database

    def release(self, database: Database) -> None:
        """Pass a database to the client that has waited longest, urgent ones first."""
        with self._lock:
            waiters = self._urgent or self._others
            if waiters:
                waiters.popleft().put(database)
            else:
                self._free.append(database)

    def leave(self) -> None:
        """Remove a client; the last one closes all connections."""
        with self._lock:
            self._clients -= 1
            is_empty = not self._clients
        if is_empty:
            self.close_idle()

    def close_idle(self) -> None:
        """Close the idle connections; they are reopened on use."""
        with self._lock:
            idle, self._free = self._free, []
        for database in idle:
            database.close()
            self.release(database)


class PoolClient:
    """A client of a pool. It holds one connection at most."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiter: Waiter = SimpleQueue()
        self._taken: Database | None = None
        self._stopping = False
        self._handing = Lock()
        self.urgent = True
        """Whether it takes precedence over clients that are not urgent."""

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Wait for a connection. Raises StoppingError."""
        database = self._taken = self._pool.acquire(self._waiter, urgent=self.urgent)
        if database is None:
            raise StoppingError("stopped while waiting for a connection")
        try:
            if self._stopping:
                raise StoppingError("stopped on getting a connection")
            with database.session() as connection:
                yield connection
        except UnavailableError as error:
            if error.place == f"{database.side} database":
                # The idle connections are lost too: their next users would report an outage that
                # is over as a new one.
                self._pool.close_idle()
            raise
        finally:
            with self._handing:
                self._taken = None
                # Only this client was to be cut off, not the others.
                database.restore()
            self._pool.release(database)

    def waiting_since(self) -> float | None:
        """From another thread: since when it waits for the server."""
        database = self._taken
        return database.waiting_since() if database else None

    def stop(self) -> None:
        """From another thread: stop waiting, and take no more connections."""
        if not self._stopping:
            self._stopping = True
            self._waiter.put(None)

    def close(self) -> None:
        """Remove this client from the pool."""
        self._pool.leave()

    def abandon(self) -> None:
        """From another thread: stop, and cut the connection in use."""
        self.stop()
        with self._handing:
            if database := self._taken:
                database.abandon()
