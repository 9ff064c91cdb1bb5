"""A PgQ of another name: upstream's SQL file and ours, with schema and roles renamed."""

import re
from pathlib import Path

import psycopg
import pytest

from queue_mover.admin.install import find_pgq_sql
from queue_mover.errors import OperatorError
from queue_mover.model import PGQ, Flavour
from testbed.programs import chosen
from testbed.queues import SQL

OTHER = Flavour("OtherQ", "otherq")


def install_other_pgq(conn: psycopg.Connection, schema: str = OTHER.schema) -> None:
    """Install it, with the schemas of a target. Skips the test where upstream's file is not."""
    conn.execute("set client_min_messages = warning")
    for path in (_upstream(conn), SQL / "pgq_ext.sql", SQL / "queue_mover.sql"):
        conn.execute(renamed(path.read_text(), schema).encode())
    # Upstream's looks for an extension, of which there is none.
    conn.execute(
        f"create or replace function {schema}.version() returns text language sql immutable"
        " as $$ select '3.5'::text $$".encode()
    )
    conn.execute("reset client_min_messages")


def renamed(text: str, schema: str = OTHER.schema) -> str:
    """SQL about PgQ as SQL about the other one; pgq_ext and pgq_node keep their names."""
    text = re.sub(rf"\b{PGQ.schema}\b", schema, text)
    return re.sub(rf"\b{PGQ.schema}_(reader|writer|admin)\b", rf"{schema}_\1", text)


def _upstream(conn: psycopg.Connection) -> Path:
    try:
        return find_pgq_sql(chosen().pgq_sql, conn.info.server_version // 10000)
    except OperatorError as error:
        pytest.skip(str(error))
