"""The queues of source databases, for files whose `queue_name` is a list.

One query for each database, in threads of their own: a database that does not answer must delay
neither the others nor a stop.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any

from queue_mover.errors import NotReadyError, UnavailableError
from queue_mover.model import FLAVOURS, PGQ, Flavour
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


@dataclass(frozen=True, slots=True)
class SourceDatabase:
    """Where queues are listed."""

    conninfo: str
    flavour: Flavour | None = PGQ
    """Of its PgQ; None: of each that it has."""


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

    def __init__(self, patience: float = PATIENCE) -> None:
        """`patience`: seconds that `read` waits; what has not answered by then is read on, for the
        next time."""
        self._patience = patience
        self._known: dict[SourceDatabase, QueueList] = {}
        self._errors: dict[SourceDatabase, Exception] = {}
        self._reading: set[SourceDatabase] = set()
        self._kept: set[tuple[SourceDatabase, str, str]] = set()
        self._changed = threading.Condition()

    def read(
        self, databases: Iterable[SourceDatabase]
    ) -> Mapping[SourceDatabase, QueueList | Exception]:
        """The list of each database; of one that cannot be read the last one known, else the
        error."""
        wanted = set(databases)
        with self._changed:
            pending = wanted - self._reading
            self._reading |= pending
        todo: SimpleQueue[SourceDatabase] = SimpleQueue()
        for database in pending:
            todo.put(database)
        try:
            self._start_threads(todo, len(pending))
            with self._changed:
                self._changed.wait_for(lambda: not pending & self._reading, self._patience)
        finally:
            # The threads may all be stuck: the next time others try.
            with self._changed:
                self._reading -= set(_taken(todo))
        with self._changed:
            return {database: self._answer(database) for database in wanted}

    def read_now(self, database: SourceDatabase) -> QueueList:
        """Read one list in this thread, without a limit of time. Raises a QueueMoverError."""
        found = read_queues(database)
        with self._changed:
            if (before := self._known.get(database)) is not None:
                found = {name: _compared(each, before.get(name)) for name, each in found.items()}
            self._known[database] = found
            self._errors.pop(database, None)
        return found

    def has(self, database: SourceDatabase, queue: str) -> bool:
        """Whether the last list has a queue; True if there is no list."""
        with self._changed:
            return queue in self._known.get(database, {queue: None})

    def keep(
        self, database: SourceDatabase, queue: str, consumer: str, *, registered: bool
    ) -> bool:
        """Whether a queue's mover has this consumer: it is registered, or was when last asked.
        Another name, once it is unregistered, would be registered anew."""
        key = (database, queue, consumer)
        with self._changed:
            if registered:
                self._kept.add(key)
            return key in self._kept

    def _answer(self, database: SourceDatabase) -> QueueList | Exception:
        if database in self._known:
            return self._known[database]
        waited = f"no answer for {self._patience:g} s"
        return self._errors.get(database) or UnavailableError(
            f"source database not available: {waited}", "source database", waited
        )

    def _start_threads(self, todo: "SimpleQueue[SourceDatabase]", count: int) -> None:
        allowed = int(max(1, min(AT_ONCE, (allow_files() - BASE_FILES) / FILES_PER_CONNECTION)))
        for _ in range(min(allowed, count)):
            # No pool: the end of the process would wait for its threads.
            start_thread(
                threading.Thread(target=self._read_all, args=[todo], name="queues", daemon=True)
            )

    def _read_all(self, todo: "SimpleQueue[SourceDatabase]") -> None:
        for database in _taken(todo):
            try:
                self.read_now(database)
            except Exception as error:
                with self._changed:
                    self._errors[database] = error
            finally:
                with self._changed:
                    self._reading.discard(database)
                    self._changed.notify_all()


def _taken(todo: "SimpleQueue[SourceDatabase]") -> Iterator[SourceDatabase]:
    while True:
        try:
            yield todo.get_nowait()
        except Empty:
            return


def read_queues(database: SourceDatabase) -> QueueList:
    """Read the queues of a database and their consumers. Raises a QueueMoverError."""
    session = Database("source", database.conninfo, "queue_mover3")
    try:
        with session.session() as connection:
            rows = []
            for flavour in _flavours(connection, database):
                _require_pgq(connection, flavour)
                rows += _list(connection, flavour)
    finally:
        session.close()
    return {name: ListedQueue(number, frozenset(names)) for name, number, names in rows}


def _list(connection: Connection, flavour: Flavour) -> list[tuple[Any, ...]]:
    return connection.execute(
        flavour.sql("""
        select q.queue_name, q.queue_id, array(
                 select c.co_name from {pgq}.subscription s
                   join {pgq}.consumer c on c.co_id = s.sub_consumer
                  where s.sub_queue = q.queue_id)
          from {pgq}.queue q
        """)
    ).fetchall()


def _flavours(connection: Connection, database: SourceDatabase) -> Sequence[Flavour]:
    """Whose queues are listed: the place to find out which PgQ a database has."""
    if database.flavour is not None:
        return [database.flavour]
    # From the catalogue: `to_regclass` raises an error for a schema that the role may not use.
    rows = connection.execute(
        "select nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
        " on n.oid = c.relnamespace where c.relname = 'queue' and nspname = any(%s)",
        [[flavour.schema for flavour in FLAVOURS]],
    )
    found = {name for (name,) in rows}
    return [flavour for flavour in FLAVOURS if flavour.schema in found] or [PGQ]


def _require_pgq(connection: Connection, flavour: Flavour) -> None:
    query = flavour.sql("select to_regclass('{pgq}.queue') is not null")
    if connection.execute(query).fetchone() != (True,):
        raise NotReadyError(
            f"source database: {flavour.name} 3 is not installed; remedy: pgqadm.py CONFIG install"
        )


def _compared(queue: ListedQueue, before: ListedQueue | None) -> ListedQueue:
    is_new = before is None or before.id != queue.id or before.is_new
    return replace(queue, is_new=is_new)
