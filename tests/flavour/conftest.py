"""A server that has a PgQ of another name and no other: not even the roles of PgQ are there."""

import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.servers import new_database
from tests.flavour.other_pgq import install_other_pgq

TEMPLATE = "template_other"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def other_cluster(private_cluster: Callable[..., Cluster]) -> Cluster:
    """The server."""
    cluster = private_cluster("other")
    with cluster.create_database(TEMPLATE).connect() as conn:
        install_other_pgq(conn)
    return cluster


@pytest.fixture
def other_db(other_cluster: Cluster) -> Iterator[Database]:
    """A fresh database with it, which may be source or target."""
    with new_database(other_cluster, f"other{next(_numbers)}", TEMPLATE) as database:
        yield database


@pytest.fixture
def other(other_db: Database) -> Iterator[psycopg.Connection]:
    """A connection to other_db in autocommit mode."""
    conn = other_db.connect()
    yield conn
    conn.close()
