"""A source and a target cluster with durable settings and PgQ."""

import contextlib
import itertools
from collections.abc import Iterator

from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.servers import new_database, with_pgq

SETTINGS: dict[str, str | int] = {
    # PostgreSQL's default; the testbed has less.
    "shared_buffers": "128MB",
    # Only connections that ask for it are counted.
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",
    # An event's arrival is the time of its commit on the target.
    "track_commit_timestamp": "on",
}
ROLE = "mover"
"""Contenders connect as this role, which separates their statements from ours."""
COUNTED = "-cpg_stat_statements.track=top"
"""Connection options that make statements count."""


def new_cluster(name: str, connections: int) -> Cluster:
    """A durable cluster (fsync, full_page_writes, synchronous_commit as by default), running."""
    cluster = Cluster(name, durable=True, max_connections=connections, settings=SETTINGS)
    with_pgq(cluster, "postgres_fdw", is_target=True)
    with cluster.connect() as conn:
        conn.execute(f"create role {ROLE} superuser login")
        conn.execute("create extension pg_stat_statements")
    return cluster


class Servers:
    """A source cluster and a target cluster."""

    def __init__(self, connections: int = 100) -> None:
        self.source = new_cluster("source", connections)
        self.target = new_cluster("target", connections)
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def databases(self) -> Iterator[tuple[Database, Database]]:
        """A new database on each side, with PgQ; dropped at the end."""
        number = next(self._numbers)
        with (
            new_database(self.source, f"source{number}") as source,
            new_database(self.target, f"target{number}") as target,
        ):
            yield source, target

    def checkpoint(self) -> None:
        """Checkpoint, so that no contender pays for another's writes."""
        for cluster in (self.source, self.target):
            with cluster.connect() as conn:
                conn.execute("checkpoint")

    def reset_statements(self) -> None:
        """Reset the count of statements."""
        for cluster in (self.source, self.target):
            with cluster.connect() as conn:
                conn.execute("select pg_stat_statements_reset()")

    def statements(self) -> int:
        """How many statements contenders have sent since the reset, including BEGIN and COMMIT."""
        return sum(_calls(cluster) for cluster in (self.source, self.target))

    def close(self) -> None:
        """Stop and remove."""
        self.source.destroy()
        self.target.destroy()


def _calls(cluster: Cluster) -> int:
    with cluster.connect() as conn:
        statement = (
            "select coalesce(sum(s.calls), 0) from pg_stat_statements s"
            " join pg_roles r on r.oid = s.userid where r.rolname = %s"
        )
        return int(value(conn, statement, ROLE))
