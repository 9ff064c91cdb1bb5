"""Two private clusters, four databases, their tickers and a directory; removed at the end."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from demo.tickers import OwnTickers, has_pgqd
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.processes import run, script
from testbed.reaper import REAPER, private_directory, remove_directory
from testbed.servers import Server

SHARDS = ("shard0", "shard1", "shard2")
CENTRAL = "central"
SOURCE_QUEUE = "shop"
TARGET_QUEUE = "all_shops"
SHOP_SQL = Path(__file__).with_name("shop.sql")
PREFIX = "qm-demo-"
"""of the name of the demo's directory"""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def run_program(directory: Path, *command: str) -> str:
    """Run one of this project's commands in a directory; returns its output."""
    done = run([script(command[0]), *command[1:]], cwd=directory)
    if done.returncode != 0:
        raise DemoError(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Databases:
    """The shards, and the database that gets all their events."""

    shards: tuple[Database, ...]
    central: Database

    @property
    def every(self) -> tuple[Database, ...]:
        """All four."""
        return (*self.shards, self.central)


class Servers:
    """The servers and the demo's directory; as a context manager, removed on exit unless kept."""

    def __init__(self) -> None:
        self.directory = private_directory(PREFIX)
        self._exit = ExitStack()
        self._exit.callback(remove_directory, self.directory)
        self._kept = False
        self._own_tickers: OwnTickers | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self._exit.close()

    def start_clusters(self) -> Databases:
        """Create and start both clusters with their databases."""
        self.sources = self._start("sources", SHARDS)
        self.target = self._start("target", (CENTRAL,))
        return Databases(tuple(self.sources.databases), self.target.databases[0])

    def _start(self, name: str, databases: Sequence[str]) -> Server:
        server = Server(Cluster(name), databases)
        self._exit.callback(server.close)
        (self.directory / f"{name}-cluster").symlink_to(server.cluster.directory)
        return server

    def start_tickers(self) -> tuple[str, ...]:
        """Start a pgqd for each cluster, or a ticker for each database; returns the commands."""
        servers = (self.sources, self.target)
        if not has_pgqd():
            every = [database for server in servers for database in server.databases]
            self._own_tickers = OwnTickers(self.directory, every)
            self._exit.callback(self._own_tickers.stop)
            return self._own_tickers.commands
        for server in servers:
            server.start_ticker()
        return tuple(f"pgqd -q {server.cluster.name}-cluster/pgqd.ini &" for server in servers)

    def keep(self) -> None:
        """Leave everything running when this process ends."""
        self._kept = True
        self.sources.keep()
        self.target.keep()
        if self._own_tickers:
            self._own_tickers.keep()
        REAPER.forget_directory(self.directory)


def create_shop_tables(databases: Databases) -> None:
    """Create the shop's tables in each shard, with triggers that write into the queue."""
    for shard in databases.shards:
        with shard.connect() as conn:
            conn.execute(SHOP_SQL.read_bytes())
