"""A few connections to one database, which many threads take in turn."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock

from queue_mover.errors import StoppingError, UnavailableError
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database

Waiter = SimpleQueue[Database | None]
"""Where a waiting client is handed a database."""


class Pool:
    """Connections that clients take for one piece of work at a time.

    A pool that reconnects in the background would hide from an operator why it cannot; here the
    thread that needs a connection opens it and gets the error. The connection used last is taken
    first, so that no more are opened than are needed at one time.
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
        """One more client, which must close itself once."""
        with self._lock:
            self._clients += 1
        return PoolClient(self)

    def take(self, waiter: Waiter, *, urgent: bool) -> Database | None:
        """A database for the caller alone, as soon as one is free and nobody has waited longer.

        A None that is put into its waiter makes it return None.
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
            # It was handed a database at this very moment.
            database = waiter.get()
        return database

    def give(self, database: Database) -> None:
        """Hand a database to the client that has waited longest, urgent ones first."""
        with self._lock:
            waiters = self._urgent or self._others
            if waiters:
                waiters.popleft().put(database)
            else:
                self._free.append(database)

    def leave(self) -> None:
        """A client leaves; the last one closes all connections."""
        with self._lock:
            self._clients -= 1
            is_empty = not self._clients
        if is_empty:
            self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that nobody uses; whoever takes one opens it anew."""
        with self._lock:
            idle, self._free = self._free, []
        for database in idle:
            database.close()
            self.give(database)


class PoolClient:
    """One of those who share a pool. It holds one connection at most."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiter: Waiter = SimpleQueue()
        self._taken: Database | None = None
        self._stopping = False
        self._handing = Lock()
        self.urgent = True
        """Whether it goes before clients that are not urgent."""

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection, as soon as it is this client's turn. Raises StoppingError."""
        database = self._taken = self._pool.take(self._waiter, urgent=self.urgent)
        if database is None:
            raise StoppingError("told to stop while it waited for a connection")
        try:
            if self._stopping:
                raise StoppingError("told to stop when it got a connection")
            with database.session() as connection:
                yield connection
        except UnavailableError as error:
            if error.place == f"{database.side} database":
                # What ended this connection has ended the idle ones too: their next users would
                # report an outage that is over as a new one.
                self._pool.close_idle()
            raise
        finally:
            with self._handing:
                self._taken = None
                # The cut was meant for this client, not for those it shares with.
                database.restore()
            self._pool.give(database)

    def waiting_since(self) -> float | None:
        """From another thread: since when the server owes an answer."""
        database = self._taken
        return database.waiting_since() if database else None

    def stop(self) -> None:
        """From another thread: stop waiting, and take no further connection."""
        if not self._stopping:
            self._stopping = True
            self._waiter.put(None)

    def close(self) -> None:
        """Leave the pool."""
        self._pool.leave()

    def abandon(self) -> None:
        """From another thread: the same, and cut the connection that is in use."""
        self.stop()
        with self._handing:
            if database := self._taken:
                database.abandon()
