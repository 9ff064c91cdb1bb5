"""Write COPY FROM STDIN, and notice where a pooler has lost the server."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from queue_mover.postgres.translation import LOST_AT_END


@contextmanager
def writing_copy(cursor: psycopg.Cursor, table: str, columns: str) -> Iterator[psycopg.Copy]:
    """Write binary COPY into the columns of a table, both as SQL. Raises driver errors.

    psycopg's `Cursor.copy` expects one answer at the end, and fails with a ValueError if there are
    more. We send COPY alone, so these are errors: the server's last one, and that of a pooler
    which has lost the server. Raises OperationalError then.
    """
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"
    ending = False
    try:
        with cursor.copy(statement.encode()) as sink:
            yield sink
            ending = True
    except ValueError as error:
        if not ending:
            raise
        raise psycopg.OperationalError(LOST_AT_END) from error
