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
    pooler: str = ""
    """The same of a pooler before the server, if the program is to go through one."""

    def conninfo(self, **extra: Any) -> str:
        """A libpq connect string for the program; extra keywords (host, user, …) add to it or
        override it. Another host or port leads there, past a pooler."""
        elsewhere = extra.keys() & {"host", "port"}
        server = self.server if elsewhere else self.pooler or self.server
        return make_conninfo(server, **{"dbname": self.name, **extra})

    def direct_conninfo(self, **extra: Any) -> str:
        """The same, never through a pooler."""
        return make_conninfo(self.server, **{"dbname": self.name, **extra})

    def connect(self, **extra: Any) -> psycopg.Connection:
        """A new connection of the test's own, never through a pooler, in autocommit mode."""
        return psycopg.connect(self.direct_conninfo(**extra), autocommit=True)
