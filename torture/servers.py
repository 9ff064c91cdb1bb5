"""The clusters, databases and tickers, and what can be done to them."""

from collections.abc import Sequence
from contextlib import suppress
from random import Random

import psycopg
from psycopg import sql

from testbed.cluster import Cluster, ClusterError
from testbed.database import Database
from testbed.processes import wait_until
from testbed.proxy import Proxy
from testbed.queues import count_from_first_event, create_queue, event_tables
from testbed.servers import TEMPLATE, Server, with_pgq
from testbed.ticker import FAST_TICKS
from torture.disk import SmallDisk

QUEUE = "events"
TARGET_QUEUE = "all_events"
NAMES = ("shard0", "shard1")
ROLE = "mover"
ROTATION = "2 seconds"
RECOVERY_TIMEOUT = 120.0
"""Seconds for a server to come back."""
_SETTINGS: dict[str, str | int] = {
    "full_page_writes": "on",
    "max_connections": 60,
    "log_min_messages": "fatal",
}


class Side:
    """One server with its databases and ticker, and the proxy that movers connect through."""

    def __init__(self, name: str, databases: Sequence[str], *, is_target: bool = False) -> None:
        self.name = name
        self.cluster = with_pgq(Cluster(name, settings=_SETTINGS), is_target=is_target)
        self._server = Server(self.cluster, databases, TEMPLATE)
        self.databases = self._server.databases
        self.proxy = Proxy(self.cluster.port)
        with self.connect() as conn:
            conn.execute(f"create role {ROLE} login".encode())

    def connect(self) -> psycopg.Connection:
        """A superuser's connection, bypassing the proxy."""
        return self.databases[0].connect(application_name="torture")

    def start_ticker(self) -> None:
        """Start a pgqd, or restart it."""
        self._server.start_ticker(maint_period=2.0)

    def stop_ticker(self) -> None:
        """Stop the pgqd."""
        self._server.stop_ticker()

    def crash(self) -> None:
        """Restart as `pg_ctl restart -m immediate` does."""
        try:
            self.cluster.restart("immediate")
        except ClusterError:
            # It was killed because it did not stop; its children exit soon.
            wait_until(self._start, RECOVERY_TIMEOUT, f"{self.name} to start again", 1.0)
        self.start_ticker()

    def _start(self) -> bool:
        with suppress(ClusterError):
            self.cluster.start()
        return self.cluster.running

    def terminate_movers(self, rng: Random | None = None) -> int:
        """Terminate the backends of movers: all, or a random one; returns how many."""
        with self.connect() as conn:
            pids = [
                row[0]
                for row in conn.execute(
                    "select pid from pg_stat_activity where usename = %s order by pid", [ROLE]
                )
            ]
            if rng and pids:
                pids = [rng.choice(pids)]
            conn.execute("select pg_terminate_backend(pid) from unnest(%s::int[]) pid", [pids])
        return len(pids)

    def limit_statements(self, milliseconds: int) -> None:
        """Set a statement_timeout for movers, and make them reconnect; 0: none."""
        with self.connect() as conn:
            conn.execute(f"alter role {ROLE} set statement_timeout = {milliseconds}".encode())
        self.terminate_movers()

    def mover_conninfo(self, database: Database) -> str:
        """How movers connect to a database."""
        return database.conninfo(port=self.proxy.port, user=ROLE)

    def close(self) -> None:
        """Stop and remove everything."""
        self.proxy.close()
        self._server.close()


class Servers:
    """Two source databases in one cluster, a target in another."""

    def __init__(self) -> None:
        self.source = Side("source", NAMES)
        self.target = Side("target", ["central"], is_target=True)
        self.disk: SmallDisk | None = None
        for database in self.source.databases:
            with database.connect() as conn:
                self._make_queue(conn, QUEUE)
                conn.execute("create schema torture")
                conn.execute("create table torture.ledger (tx text primary key, size int not null)")
                conn.execute(f"grant pgq_reader to {ROLE}".encode())
        with self.target.connect() as conn:
            self._make_queue(conn, TARGET_QUEUE)
            conn.execute(f"grant pgq_admin to {ROLE}".encode())
            self._move_to_small_disk(conn)
        for side in self.sides:
            side.start_ticker()

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both."""
        return self.source, self.target

    @property
    def target_database(self) -> Database:
        """The target."""
        return self.target.databases[0]

    def _make_queue(self, conn: psycopg.Connection, queue: str) -> None:
        create_queue(conn, queue, rotation_period=ROTATION, **FAST_TICKS)
        count_from_first_event(conn, queue)

    def _move_to_small_disk(self, conn: psycopg.Connection) -> None:
        self.disk = SmallDisk.mount(self.target.cluster.directory / "small")
        if self.disk is None:
            return
        conn.execute(f"create tablespace small location '{self.disk.path}'".encode())
        for table in event_tables(conn, TARGET_QUEUE):
            conn.execute(sql.SQL("alter table {} set tablespace small").format(table))

    def close(self) -> None:
        """Stop and remove everything."""
        for side in self.sides:
            with suppress(OSError):
                side.cluster.thaw()
            side.close()
        if self.disk:
            self.disk.unmount()
