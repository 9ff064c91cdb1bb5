"""What the tests of this folder start from."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from tests.command.world import World

_numbers = itertools.count(1)


@pytest.fixture
def world(
    tmp_path: Path,
    source_cluster: Cluster,
    target_cluster: Cluster,
    shared_databases: tuple[Database, Database],
) -> Iterator[World]:
    """Two fresh queues, and a directory."""
    source_cluster.start()
    target_cluster.start()
    with World(next(_numbers), tmp_path, *shared_databases) as made:
        yield made
