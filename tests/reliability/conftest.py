"""A pair of queues in databases of their own; and another source that is taken for the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from tests.moving.pair import Pair

TEMPLATE = "template_pgq"


@pytest.fixture
def pair(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A source queue and a target queue, with a registered consumer that has moved a batch."""
    pair = Pair(source_db, target_db, tmp_path)
    pair.register()
    pair.produce(10, label="first")
    pair.move()
    yield pair
    pair.close()


@pytest.fixture
def other_db(source_cluster: Cluster, source_db: Database) -> Iterator[Database]:
    """Another source database on the same server."""
    name = f"other_of_{source_db.name}"
    yield source_cluster.create_database(name, TEMPLATE)
    source_cluster.start().drop_database(name)


@pytest.fixture
def other(pair: Pair, other_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """Another source into the same target, whose ini file was copied: the same consumer."""
    (tmp_path / "other").mkdir()
    other = Pair(other_db, pair.target_db, tmp_path / "other", 2)
    other.consumer, other.target_queue = pair.consumer, pair.target_queue
    yield other
    other.close()
