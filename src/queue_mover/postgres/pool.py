"""A few connections to one database, shared in turn by many threads."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock

from queue_mover.errors import StoppingError, UnavailableError
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database

Turn = SimpleQueue[Database | None]
"""Where one who waits is handed a database."""


class Pool:
    """Connections that threads take for one piece of work at a time.

    A background pool would reconnect on its own and hide from an operator why it cannot;
    here the thread that needs a connection opens it and gets the error. The one used last
    is taken first, so that no more are opened than are needed at one time.
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        self._free = list(databases)
        self._urgent: deque[Turn] = deque()
        self._others: deque[Turn] = deque()
        self._seats = 0
        self._lock = Lock()

    def join(self) -> "Seat":
        """A seat for one more user, who will close it once."""
        with self._lock:
            self._seats += 1
        return Seat(self)

    def take(self, turn: Turn, *, urgent: bool) -> Database | None:
        """A database for the caller alone: at once, or by its turn.

        A None that is put into its turn lets the caller go with None.
        """
        row = self._urgent if urgent else self._others
        with self._lock:
            if self._free:
                return self._free.pop()
            row.append(turn)
        database = turn.get()
        if database is None:
            with self._lock:
                if turn in row:
                    row.remove(turn)
                    return None
            # It was handed a database in this very moment.
            database = turn.get()
        return database

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
            empty = not self._seats
        if empty:
            self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that nobody uses; whoever takes one opens it anew."""
        with self._lock:
            idle, self._free = self._free, []
        for database in idle:
            database.close()
            self.give(database)


class Seat:
    """One user's place in a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turn: Turn = SimpleQueue()
        self._taken: Database | None = None
        self._stopping = False
        self._handing = Lock()
        self.urgent = True
        """Whether it goes before those who are not, until told otherwise."""

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection, once it is this seat's turn. Raises StoppingError."""
        database = self._taken = self._pool.take(self._turn, urgent=self.urgent)
        if database is None:
            raise StoppingError("told to stop before its turn")
        try:
            if self._stopping:
                raise StoppingError("told to stop at its turn")
            with database.session() as connection:
                yield connection
        except UnavailableError as error:
            if error.place == f"{database.side} database":
                # What ended this connection has ended the idle ones: their next users should not
                # take an outage that is over for another one.
                self._pool.close_idle()
            raise
        finally:
            with self._handing:
                self._taken = None
                # What cut it off was meant for us, not for those who share it.
                database.restore()
            self._pool.give(database)

    def waiting_since(self) -> float | None:
        """From another thread: since when the server owes an answer."""
        database = self._taken
        return database.waiting_since() if database else None

    def stop(self) -> None:
        """From another thread: wait no more, and take no other connection."""
        if not self._stopping:
            self._stopping = True
            self._turn.put(None)

    def close(self) -> None:
        """Leave the pool."""
        self._pool.leave()

    def abandon(self) -> None:
        """From another thread: the same, and cut the connection that is in use."""
        self.stop()
        with self._handing:
            if database := self._taken:
                database.abandon()
