"""A pair of queues in databases of their own; another source that passes for the same."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.queues import install_pgq
from testbed.servers import new_database
from tests.moving.pair import Pair


@contextmanager
def registered(source_db: Database, target_db: Database, directory: Path) -> Iterator[Pair]:
    """A source queue and a target queue, with a registered consumer."""
    with closing(Pair(source_db, target_db, directory)) as pair:
        pair.register()
        yield pair


@contextmanager
def moved_once(source_db: Database, target_db: Database, directory: Path) -> Iterator[Pair]:
    """The same, and the consumer has moved a batch."""
    with registered(source_db, target_db, directory) as pair:
        pair.produce(10, label="first")
        pair.move()
        yield pair


@pytest.fixture
def pair(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A source queue and a target queue, with a registered consumer that has moved a batch."""
    with moved_once(source_db, target_db, tmp_path) as pair:
        yield pair


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A source server that a test may restore, upgrade or lose."""
    with Cluster("source_of_its_own") as cluster:
        yield cluster


@pytest.fixture
def own_source(cluster: Cluster) -> Database:
    """A source database on that server."""
    database = cluster.create_database("source")
    with database.connect() as conn:
        install_pgq(conn)
    return database


@pytest.fixture
def other_db(source_cluster: Cluster, source_db: Database) -> Iterator[Database]:
    """Another source database on the same server."""
    with new_database(source_cluster, f"other_of_{source_db.name}") as database:
        yield database


@pytest.fixture
def other(pair: Pair, other_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """Another source into the same target, whose ini file was copied: the same consumer."""
    (tmp_path / "other").mkdir()
    with closing(Pair(other_db, pair.target_db, tmp_path / "other", 2)) as other:
        other.consumer, other.target_queue = pair.consumer, pair.target_queue
        yield other
