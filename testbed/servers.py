"""Servers: a running cluster whose databases have PgQ, and a pgqd for them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.processes import Process
from testbed.queues import install_pgq, install_pgq_ext
from testbed.ticker import start_pgqd

TEMPLATE = "template_pgq"
"""The template of the databases with PgQ."""


def with_pgq(cluster: Cluster, *extensions: str, is_target: bool = False) -> Cluster:
    """Start a new cluster and prepare the template: PgQ, other extensions, a target's schemas."""
    with cluster.start().create_database(TEMPLATE).connect() as conn:
        install_pgq(conn)
        if is_target:
            install_pgq_ext(conn)
        for extension in extensions:
            conn.execute(sql.SQL("create extension {}").format(sql.Identifier(extension)))
    return cluster


def _revive(cluster: Cluster) -> Cluster:
    """Make sure that a cluster is running and not frozen."""
    if cluster.running:
        cluster.thaw()
    return cluster.start()


@contextmanager
def new_database(cluster: Cluster, name: str, template: str = TEMPLATE) -> Iterator[Database]:
    """A new database, dropped at the end even if somebody is still connected."""
    database = _revive(cluster).create_database(name, template)
    try:
        yield database
    finally:
        _revive(cluster).drop_database(name)


class Server:
    """A cluster, databases in it, and the pgqd that ticks them."""

    def __init__(
        self, cluster: Cluster, databases: Sequence[str], template: str | None = None
    ) -> None:
        """Start the cluster if necessary; create databases, empty ones without a template."""
        self.cluster = cluster.start()
        self.databases = [cluster.create_database(name, template) for name in databases]
        self._ticker: Process | None = None

    def start_ticker(self, *, maint_period: float = 10.0) -> None:
        """Start a pgqd, or restart it: by itself, it reconnects to a server only after a minute."""
        self.stop_ticker()
        names = [database.name for database in self.databases]
        self._ticker = start_pgqd(self.cluster, names, maint_period=maint_period)

    def stop_ticker(self) -> None:
        """Stop the pgqd."""
        if self._ticker is not None:
            self._ticker.kill()
            self._ticker = None

    def keep(self) -> None:
        """Leave cluster and pgqd running when this process ends."""
        if self._ticker is not None:
            self._ticker.keep()
        self.cluster.keep()

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop_ticker()
        self.cluster.destroy()
