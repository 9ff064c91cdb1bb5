"""The world that the specifications of this folder begin with."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from tests.command.world import World
from tests.conftest import TEMPLATE

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def databases(
    source_cluster: Cluster, target_cluster: Cluster
) -> Iterator[tuple[Database, Database]]:
    """Two databases for all worlds of a module: a world's own ones would double its time."""
    name = f"worlds{next(_numbers)}"
    clusters = (source_cluster.start(), target_cluster.start())
    yield (
        source_cluster.create_database(name, TEMPLATE),
        target_cluster.create_database(name, TEMPLATE),
    )
    for cluster in clusters:
        cluster.start()
        cluster.drop_database(name)


@pytest.fixture
def world(
    tmp_path: Path,
    source_cluster: Cluster,
    target_cluster: Cluster,
    databases: tuple[Database, Database],
) -> Iterator[World]:
    """Two fresh queues, and a directory."""
    source_cluster.start()
    target_cluster.start()
    with World(next(_numbers), tmp_path, *databases) as made:
        yield made
