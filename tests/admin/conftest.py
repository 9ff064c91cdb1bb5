"""What the tests of pgqadm share."""

from collections.abc import Iterator

import psycopg
import pytest

from testbed.database import Database


@pytest.fixture
def plain(source_db: Database, source: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection of a role without privileges, whose name needs quotes."""
    source.execute('create role "plain one" login')
    with source_db.connect(user="plain one") as conn:
        yield conn
    source.execute('drop role "plain one"')
