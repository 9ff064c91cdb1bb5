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
from testbed.queues import create_queue, install_pgq, install_pgq_ext

TEMPLATE = "template_pgq"

_numbers = itertools.count(1)


def _start(name: str, *, is_target: bool) -> Cluster:
    """A cluster with a template database that has what its side needs."""
    cluster = Cluster(name).start()
    with cluster.create_database(TEMPLATE).connect() as conn:
        install_pgq(conn)
        if is_target:
            install_pgq_ext(conn)
    return cluster


@pytest.fixture(scope="session")
def source_cluster() -> Iterator[Cluster]:
    """The cluster of the sources."""
    cluster = _start("source", is_target=False)
    yield cluster
    cluster.destroy()


@pytest.fixture(scope="session")
def target_cluster() -> Iterator[Cluster]:
    """The cluster of the targets."""
    cluster = _start("target", is_target=True)
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


def _revive(cluster: Cluster) -> None:
    """Undo what a test did to a cluster."""
    if cluster.running:
        cluster.thaw()
    cluster.start()


def _clone(cluster: Cluster, prefix: str) -> Iterator[Database]:
    """A database from the template, dropped afterwards with whoever is still connected."""
    _revive(cluster)
    name = f"{prefix}{next(_numbers)}"
    yield cluster.create_database(name, TEMPLATE)
    _revive(cluster)
    cluster.drop_database(name)


@pytest.fixture
def source_db(source_cluster: Cluster) -> Iterator[Database]:
    """A fresh database with PgQ."""
    yield from _clone(source_cluster, "source")


@pytest.fixture
def target_db(target_cluster: Cluster) -> Iterator[Database]:
    """A fresh database with PgQ and pgq_ext."""
    yield from _clone(target_cluster, "target")


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
