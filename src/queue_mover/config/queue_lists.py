"""The queues of source databases, for files whose `queue_name` is a list.

One query for each database, in threads of their own: a database that does not answer must delay
neither the others nor a stop.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from queue_mover.errors import NotReadyError, UnavailableError
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database
from queue_mover.system.limits import BASE_FILES, FILES_PER_CONNECTION, allow_files
from queue_mover.system.signals import start_thread

PATIENCE = 30.0
"""Seconds that a command waits for the lists; longer than a connection attempt takes."""

START_PATIENCE = 2.0
"""Seconds that a service waits for them: the other sources must not start late."""

AT_ONCE = 16
"""Databases that are queried at the same time."""

FlavourOf = Callable[[Connection], Flavour]


@dataclass(frozen=True, slots=True)
class ListedQueue:
    """A queue of a source."""

    id: int
    """A queue that is dropped and created again has another one."""
    consumers: frozenset[str]
    is_new: bool = False
    """It was created since the lists are read."""


QueueList = Mapping[str, ListedQueue]
"""The queues of one database, by name."""


class QueueLists:
    """Reads the lists, and remembers the last one of each database. Thread-safe."""

    def __init__(self, patience: float = PATIENCE, flavour: FlavourOf = lambda _: PGQ) -> None:
        """`patience`: seconds that `read` waits; what has not answered by then is read on, for the
        next time. `flavour`: of the PgQ in a database."""
        self._patience = patience
        self._flavour = flavour
        self._known: dict[str, QueueList] = {}
        self._errors: dict[str, Exception] = {}
        self._reading: set[str] = set()
        self._kept: set[tuple[str, str, str]] = set()
        self._changed = threading.Condition()

    def read(self, databases: Iterable[str]) -> Mapping[str, QueueList | Exception]:
        """The list of each database, by its connect string; of one that cannot be read the last
        one known, else the error."""
        wanted = set(databases)
        with self._changed:
            pending = wanted - self._reading
            self._reading |= pending
        self._start(sorted(pending))
        with self._changed:
            self._changed.wait_for(lambda: not wanted & self._reading, self._patience)
            return {text: self._answer(text) for text in wanted}

    def read_now(self, database: str) -> QueueList:
        """Read one list in this thread, without a limit of time. Raises a QueueMoverError."""
        found = read_queues(database, self._flavour)
        with self._changed:
            if (before := self._known.get(database)) is not None:
                found = {name: _compared(each, before.get(name)) for name, each in found.items()}
            self._known[database] = found
            self._errors.pop(database, None)
        return found

    def keep(self, database: str, queue: str, consumer: str, *, registered: bool) -> bool:
        """Whether a queue's mover has this consumer: it is registered, or was when last asked.
        Another name, once it is unregistered, would be registered anew."""
        key = (database, queue, consumer)
        with self._changed:
            if registered:
                self._kept.add(key)
            return key in self._kept

    def _answer(self, database: str) -> QueueList | Exception:
        if database in self._known:
            return self._known[database]
        waited = f"no answer for {self._patience:g} s"
        return self._errors.get(database) or UnavailableError(
            f"source database not available: {waited}", "source database", waited
        )

    def _start(self, databases: list[str]) -> None:
        todo: SimpleQueue[str] = SimpleQueue()
        for database in databases:
            todo.put(database)
        allowed = int(max(1, min(AT_ONCE, (allow_files() - BASE_FILES) / FILES_PER_CONNECTION)))
        for _ in databases[:allowed]:
            # No pool: the end of the process would wait for its threads.
            start_thread(
                threading.Thread(target=self._read_all, args=[todo], name="queues", daemon=True)
            )

    def _read_all(self, todo: "SimpleQueue[str]") -> None:
        while True:
            try:
                database = todo.get_nowait()
            except Empty:
                return
            try:
                self.read_now(database)
            except Exception as error:
                with self._changed:
                    self._errors[database] = error
            finally:
                with self._changed:
                    self._reading.discard(database)
                    self._changed.notify_all()


def read_queues(text: str, flavour_of: FlavourOf) -> QueueList:
    """Read the queues of a database and their consumers. Raises a QueueMoverError."""
    database = Database("source", text, "queue_mover3")
    try:
        with database.session() as connection:
            flavour = flavour_of(connection)
            _require_pgq(connection, flavour)
            rows = connection.execute(
                flavour.sql("""
                select q.queue_name, q.queue_id, array(
                         select c.co_name from {pgq}.subscription s
                           join {pgq}.consumer c on c.co_id = s.sub_consumer
                          where s.sub_queue = q.queue_id)
                  from {pgq}.queue q
                """)
            ).fetchall()
    finally:
        database.close()
    return {name: ListedQueue(number, frozenset(names)) for name, number, names in rows}


def _compared(queue: ListedQueue, before: ListedQueue | None) -> ListedQueue:
    is_new = before is None or before.id != queue.id or before.is_new
    return replace(queue, is_new=is_new)


def _require_pgq(connection: Connection, flavour: Flavour) -> None:
    query = flavour.sql("select to_regclass('{pgq}.queue') is not null")
    if connection.execute(query).fetchone() != (True,):
        raise NotReadyError(
            f"source database: {flavour.name} 3 is not installed; remedy: pgqadm.py CONFIG install"
        )
