"""Whether a connection goes through a pooler, and in which mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from threading import Timer

from queue_mover.errors import QueueMoverError
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database

ROUNDS = 4
"""How often two clients compare the server processes they are given."""

PATIENCE = 5.0
"""Seconds that a second client waits for a server process; all may be taken."""


class Pooler(Enum):
    """Which pooler there is, by its mode in PgBouncer's words."""

    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"
    UNKNOWN = "unknown"
    """There is one; its mode could not be found out."""


def has_pooler(connection: Connection) -> bool:
    """Whether the server process is another one than the one announced at the start."""
    return connection.info.backend_pid != _pid(connection)


def find_pooler(connection: Connection, second: Database, third: Database) -> Pooler:
    """Which pooler a connection goes through. It must be outside a transaction.

    `second` and `third` lead to the same database; they are used where there is a pooler.
    """
    if not has_pooler(connection):
        return Pooler.NONE
    try:
        with _impatient(second) as other:
            keeps = _keeps_process(connection, other)
    except QueueMoverError:
        return Pooler.UNKNOWN
    if keeps:
        return Pooler.SESSION
    return Pooler.STATEMENT if _refuses_transactions(third) else Pooler.TRANSACTION


@contextmanager
def _impatient(database: Database) -> Iterator[Connection]:
    """A session that is cut after a while: the pooler may have no server process to give."""
    timer = Timer(PATIENCE, database.abandon)
    timer.start()
    try:
        with database.session() as connection:
            yield connection
    finally:
        timer.cancel()
        database.close()


def _refuses_transactions(database: Database) -> bool:
    try:
        with _impatient(database) as connection, connection.transaction():
            connection.execute("select 1")
    except QueueMoverError as error:
        # The pooler's one SQLSTATE stands for anything.
        return "statement pool" in str(error)
    return False


def _keeps_process(one: Connection, other: Connection) -> bool:
    """Whether a client has its server process for itself as long as it stays connected."""
    mine, theirs = set[int](), set[int]()
    for _ in range(ROUNDS):
        mine.add(_pid(one))
        theirs.add(_pid(other))
        if mine & theirs or len(mine) > 1 or len(theirs) > 1:
            return False
    return True


def _pid(connection: Connection) -> int:
    row = connection.execute("select pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])
