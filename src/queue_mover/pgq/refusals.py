"""What a database administrator reads when the database refuses a command."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from queue_mover.errors import NotReadyError, UnavailableError
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import has_function, quote_ident
from queue_mover.postgres.translation import one_line, translate

_MISSING = (errors.InvalidSchemaName, errors.UndefinedFunction, errors.UndefinedTable)


def primary(error: psycopg.Error) -> str:
    """What the server says, in one line, without its context."""
    return one_line(error.diag.message_primary or str(error))


def grant(conn: Connection, role: str) -> str:
    """The statement that gives the connection's user what it lacks."""
    return f"GRANT {role} TO {quote_ident(conn.info.user)}"


def is_lost(conn: Connection, error: psycopg.Error) -> bool:
    """Whether the error is about the connection, so that nothing else will work on it either."""
    return conn.closed or isinstance(translate(error, "database"), UnavailableError)


@contextmanager
def explained(conn: Connection, remedy: str, flavour: Flavour = PGQ) -> Iterator[None]:
    """Turn refusals that a person has to put right into NotReadyError; let others through.

    remedy: what to do when a privilege is missing. Enclose the transaction, not the other way
    round: the connection is asked whether PgQ is there at all.
    """
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise NotReadyError(f"{_database(conn)}: {primary(error)}; remedy: {remedy}") from error
    except errors.ReadOnlySqlTransaction as error:
        raise NotReadyError(
            f"{_database(conn)} is read-only ({primary(error)}); remedy: connect to the primary"
        ) from error
    except _MISSING as error:
        if has_function(conn, flavour.sql("{pgq}.create_queue(text)")):
            raise
        raise NotReadyError(
            f"{_database(conn)}: {flavour.name} is not installed; remedy: pgqadm.py CONFIG install"
        ) from error


def _database(conn: Connection) -> str:
    return f'database "{conn.info.dbname}"'
