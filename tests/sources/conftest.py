"""What the tests of this folder start from."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.servers import new_database
from tests.sources.many import Many

_numbers = itertools.count(1)

SHARDS = 3


@pytest.fixture(scope="module")
def databases(
    source_cluster: Cluster, target_cluster: Cluster
) -> Iterator[tuple[list[Database], Database]]:
    """Shards and a target for all tests of a module: own ones would double a test's time."""
    number = next(_numbers)
    names = [f"shard{number}_{index}" for index in range(SHARDS)]
    with ExitStack() as stack, new_database(target_cluster, f"central{number}") as central:
        yield [stack.enter_context(new_database(source_cluster, n)) for n in names], central


@pytest.fixture
def many(tmp_path: Path, databases: tuple[list[Database], Database]) -> Iterator[Many]:
    """Three shards with an empty queue each, a target queue, and a directory."""
    with Many(next(_numbers), tmp_path, *databases) as made:
        yield made


@pytest.fixture
def catalogue(source_cluster: Cluster) -> Iterator[Database]:
    """A database that lists the shards, in a table partitions (name, connect); empty."""
    name = f"catalogue{next(_numbers)}"
    database = source_cluster.create_database(name)
    with database.connect() as conn:
        conn.execute("create table partitions (name text, connect text)")
    yield database
    source_cluster.start().drop_database(name)
