"""Two real clusters for the whole run (two for each worker of xdist), fresh databases per test.

Fixtures for tests: source_db and target_db, with source and target as open connections to them;
source_queue and target_queue, the names of queues in them; private_cluster for a test that needs
other settings. A test may stop, crash or freeze the clusters: the next one finds them running.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.programs import require_extension
from testbed.queues import create_queue
from testbed.servers import new_database, with_pgq
from tests import leaving_out
from tests.pooling import (
    pooled,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_report_header,
    pytest_terminal_summary,
)

__all__ = [
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_report_header",
    "pytest_terminal_summary",
]

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Beside the hooks of the same names above."""
    config.pluginmanager.register(leaving_out)


@pytest.fixture(scope="session")
def pgq_extension() -> None:
    """For a test of PgQ's extension, written in C."""
    require_extension()


@pytest.fixture(scope="session")
def source_cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """The cluster of the sources."""
    cluster = with_pgq(Cluster("source"))
    with pooled(cluster, "source", pytestconfig):
        yield cluster
    cluster.destroy()


@pytest.fixture(scope="session")
def target_cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """The cluster of the targets."""
    cluster = with_pgq(Cluster("target"), is_target=True)
    with pooled(cluster, "target", pytestconfig):
        yield cluster
    cluster.destroy()


@pytest.fixture(scope="session")
def private_cluster() -> Iterator[Callable[..., Cluster]]:
    """Start further clusters, with the arguments of Cluster; they live until the end of the run."""
    clusters: list[Cluster] = []

    def start(name: str = "private", **options: Any) -> Cluster:
        clusters.append(Cluster(name, **options))
        return clusters[-1].start()

    yield start
    for cluster in clusters:
        cluster.destroy()


@pytest.fixture
def source_db(source_cluster: Cluster) -> Iterator[Database]:
    """A fresh database with PgQ."""
    with new_database(source_cluster, f"source{next(_numbers)}") as database:
        yield database


@pytest.fixture
def target_db(target_cluster: Cluster) -> Iterator[Database]:
    """A fresh database with PgQ and pgq_ext."""
    with new_database(target_cluster, f"target{next(_numbers)}") as database:
        yield database


@pytest.fixture(scope="module")
def shared_databases(
    source_cluster: Cluster, target_cluster: Cluster
) -> Iterator[tuple[Database, Database]]:
    """A source and a target database for all tests of a module: own ones double a test's time."""
    name = f"shared{next(_numbers)}"
    with new_database(source_cluster, name) as source, new_database(target_cluster, name) as target:
        yield source, target


@pytest.fixture
def source(source_db: Database) -> Iterator[psycopg.Connection]:
    """A connection to source_db in autocommit mode."""
    conn = source_db.connect()
    yield conn
    conn.close()


@pytest.fixture
def target(target_db: Database) -> Iterator[psycopg.Connection]:
    """A connection to target_db in autocommit mode."""
    conn = target_db.connect()
    yield conn
    conn.close()


@pytest.fixture
def source_queue(source: psycopg.Connection) -> str:
    """The name of an empty queue in source_db."""
    create_queue(source, "from_here")
    return "from_here"


@pytest.fixture
def target_queue(target: psycopg.Connection) -> str:
    """The name of an empty queue in target_db."""
    create_queue(target, "to_here")
    return "to_here"
