"""A few connections to one database, shared in turn by many threads."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock

from queue_mover.db import Connection, Database
from queue_mover.errors import UnavailableError


class Pool:
    """Connections that threads take for one piece of work at a time.

    A background pool would reconnect on its own and hide from an operator why it cannot;
    here the thread that needs a connection opens it and gets the error. The one used last
    is taken first, so that no more are opened than are needed at one time.
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        self._free = list(databases)
        self._urgent: deque[SimpleQueue[Database]] = deque()
        self._others: deque[SimpleQueue[Database]] = deque()
        self._seats = 0
        self._lock = Lock()

    def join(self) -> "Seat":
        """A seat for one more user, who will close it once."""
        with self._lock:
            self._seats += 1
        return Seat(self)

    def take(self, *, urgent: bool) -> Database:
        """A database for the caller alone: at once, or when it is its turn."""
        with self._lock:
            if self._free:
                return self._free.pop()
            turn: SimpleQueue[Database] = SimpleQueue()
            (self._urgent if urgent else self._others).append(turn)
        return turn.get()

    def give(self, database: Database) -> None:
        """Hand a database on: to who waits longest, the urgent first."""
        with self._lock:
            waiting = self._urgent or self._others
            if waiting:
                waiting.popleft().put(database)
            else:
                self._free.append(database)

    def leave(self) -> None:
        """One user leaves; the last one closes all."""
        with self._lock:
            self._seats -= 1
            idle: list[Database] = []
            if not self._seats:
                idle, self._free = self._free, idle
        for database in idle:
            database.close()
            self.give(database)


class Seat:
    """One user's place in a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._taken: Database | None = None
        self._abandoned = False
        self.urgent = True
        """Whether it goes before those who are not, until told otherwise."""

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection, once it is this seat's turn. Raises UnavailableError."""
        database = self._taken = self._pool.take(urgent=self.urgent)
        try:
            if self._abandoned:
                raise UnavailableError("target database: given up")
            with database.session() as connection:
                yield connection
        finally:
            self._taken = None
            self._pool.give(database)

    def close(self) -> None:
        """Leave the pool."""
        self._pool.leave()

    def abandon(self) -> None:
        """From another thread: cut the connection that is in use; there will be no other."""
        self._abandoned = True
        if database := self._taken:
            database.abandon()
