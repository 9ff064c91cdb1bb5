"""Errors of the database that a database administrator must fix, with the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from queue_mover.errors import NotReadyError, UnavailableError
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import has_function, quote_ident
from queue_mover.postgres.translation import primary, translate

_MISSING = (errors.InvalidSchemaName, errors.UndefinedFunction, errors.UndefinedTable)


def grant(conn: Connection, role: str) -> str:
    """The GRANT that the connection's user needs."""
    return f"GRANT {role} TO {quote_ident(conn.info.user)}"


def is_lost(conn: Connection, error: psycopg.Error) -> bool:
    """Whether the connection is lost, so that nothing else will work on it."""
    return conn.closed or isinstance(translate(error, "database"), UnavailableError)


@contextmanager
def explained(conn: Connection, remedy: str, flavour: Flavour = PGQ) -> Iterator[None]:
    """Turn errors that an operator must fix into NotReadyError; let others through.

    remedy: for a missing privilege. Use it around the transaction, not inside: it queries the
    connection for PgQ.
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
