"""What the tests of this folder start from."""

import itertools
from collections.abc import Iterator

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.encodings import create_encoded
from tests.sharing.crowd import Crowd

_numbers = itertools.count(1)


@pytest.fixture
def crowd(shared_databases: tuple[Database, Database]) -> Iterator[Crowd]:
    """Three movers with one connection to the target."""
    made = Crowd(*shared_databases, next(_numbers))
    for _ in range(3):
        made.add()
    yield made
    made.close()


@pytest.fixture(scope="session")
def latin1(source_cluster: Cluster) -> Iterator[Database]:
    """A source database in another encoding."""
    name = "shared_latin1"
    yield create_encoded(source_cluster, name, "LATIN1")
    source_cluster.start().drop_database(name)
