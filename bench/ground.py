"""Two clusters with durable settings, and databases with PgQ in them."""

import contextlib
import itertools
from collections.abc import Iterator

from testbed import queues
from testbed.cluster import Cluster
from testbed.database import Database

SETTINGS: dict[str, str | int] = {
    # PostgreSQL's default, where the testbed has less.
    "shared_buffers": "128MB",
    # Counts nothing unless a connection asks for it.
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",
    # When an event arrived: the time of the commit that brought it.
    "track_commit_timestamp": "on",
}
ROLE = "mover"
"""Contenders connect as this role, so that their statements can be told from ours."""
COUNTED = "-cpg_stat_statements.track=top"
"""Connection options that have statements counted."""


def new_cluster(name: str, connections: int) -> Cluster:
    """A durable cluster (fsync, full_page_writes, synchronous_commit as by default), running."""
    cluster = Cluster(name, durable=True, max_connections=connections, settings=SETTINGS).start()
    with cluster.connect() as conn:
        conn.execute(f"create role {ROLE} superuser login")
        conn.execute("create extension pg_stat_statements")
    with cluster.create_database("with_pgq").connect() as conn:
        queues.install_pgq(conn)
        queues.install_pgq_ext(conn)
        conn.execute("create extension postgres_fdw")
    return cluster


class Ground:
    """A source cluster and a target cluster."""

    def __init__(self, connections: int = 100) -> None:
        self.source = new_cluster("source", connections)
        self.target = new_cluster("target", connections)
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def databases(self) -> Iterator[tuple[Database, Database]]:
        """A new database on either side, each with PgQ; dropped in the end."""
        number = next(self._numbers)
        names = (f"source{number}", f"target{number}")
        source = self.source.create_database(names[0], template="with_pgq")
        target = self.target.create_database(names[1], template="with_pgq")
        try:
            yield source, target
        finally:
            self.source.drop_database(names[0])
            self.target.drop_database(names[1])

    def settle(self) -> None:
        """Write out what is dirty, so that no contender pays for what another left."""
        for cluster in (self.source, self.target):
            with cluster.connect() as conn:
                conn.execute("checkpoint")

    def forget_statements(self) -> None:
        """Count statements from zero."""
        for cluster in (self.source, self.target):
            with cluster.connect() as conn:
                conn.execute("select pg_stat_statements_reset()")

    def statements(self) -> int:
        """How many statements contenders have sent since, BEGIN and COMMIT included."""
        return sum(_calls(cluster) for cluster in (self.source, self.target))

    def close(self) -> None:
        """Stop and remove."""
        self.source.destroy()
        self.target.destroy()


def _calls(cluster: Cluster) -> int:
    with cluster.connect() as conn:
        row = conn.execute(
            "select coalesce(sum(s.calls), 0) from pg_stat_statements s"
            " join pg_roles r on r.oid = s.userid where r.rolname = %s",
            [ROLE],
        ).fetchone()
    assert row is not None
    return int(row[0])
