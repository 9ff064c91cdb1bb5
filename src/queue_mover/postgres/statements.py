"""Run statements in one message, quote names in them, and see what a database has."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from queue_mover.postgres.connection import Connection

BEGIN: LiteralString = "begin isolation level read committed"
"""Begins a transaction of `run_in_one_message`. Whoever has waited for a lock must see what its
holder has committed; the role or the database may have another default."""


def has_function(connection: Connection, signature: str) -> bool:
    """Whether the database has a function, by its `name(argument types)`."""
    row = connection.execute("select to_regprocedure(%s) is not null", [signature]).fetchone()
    return row == (True,)


def run_in_one_message(
    connection: Connection, statements: Sequence[LiteralString], values: Mapping[str, object]
) -> list[list[tuple[Any, ...]]]:
    """Run several statements in one message: one round trip, and the server wakes up once.

    A pipeline would send one message for each. Returns the rows of each statement.
    """
    results = []
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(";".join(statements), values)
        for _ in statements:
            results.append([] if cursor.rownumber is None else cursor.fetchall())
            cursor.nextset()
    return results


def schema_exists(conn: Connection, name: str) -> bool:
    """Whether the database has a schema of this name."""
    row = conn.execute("select to_regnamespace(%s) is not null", [name]).fetchone()
    return row == (True,)


def quote_ident(name: str) -> str:
    """A name as an SQL identifier, for a statement that an operator will paste."""
    return sql.Identifier(name).as_string()


def quote_literal(text: str) -> str:
    """Text as an SQL literal, for a statement that an operator will paste."""
    return "'" + text.replace("'", "''") + "'"
