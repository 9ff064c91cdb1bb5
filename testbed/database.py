"""How to reach one database."""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo


def value(
    conn: psycopg.Connection, statement: LiteralString | sql.SQL | sql.Composed, *params: object
) -> Any:
    """The first value that a statement returns."""
    row = conn.execute(statement, params or None).fetchone()
    assert row is not None
    return row[0]


@dataclass(frozen=True)
class Database:
    """One database of a cluster: its name, and how to reach it."""

    name: str
    server: str
    """The libpq connect string of the server, without a database."""

    def conninfo(self, **extra: Any) -> str:
        """A libpq connect string; extra keywords (host, user, …) add to it or override it."""
        return make_conninfo(self.server, **{"dbname": self.name, **extra})

    def connect(self, **extra: Any) -> psycopg.Connection:
        """A new connection in autocommit mode."""
        return psycopg.connect(self.conninfo(**extra), autocommit=True)
