"""Many source databases with one target queue."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from bench.servers import ROLE, Servers
from bench.workload import TARGET_QUEUE
from testbed import queues
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.ini import write_sections
from testbed.processes import Process, script, wait_until, write_ini

JOB = "many"
COMMAND = (script("queue_mover3"),)


@dataclass(frozen=True)
class Shard:
    """One source: a queue in a database."""

    name: str
    database: Database
    queue: str

    @property
    def consumer(self) -> str:
        """Its consumer, as named by the program."""
        return f"{JOB}.{self.name}"


@dataclass(frozen=True)
class Shards:
    """Sources and their target."""

    servers: Servers
    target: Database
    sources: tuple[Shard, ...]

    def ini(
        self,
        folder: Path,
        loop_delay: float,
        sources: Sequence[Shard] | None = None,
        **settings: object,
    ) -> Path:
        """One config file for all sources, or for some; with more settings."""
        sections = {
            f"source:{shard.name}": _source(shard)
            for shard in (self.sources if sources is None else sources)
        }
        main = {"job_name": JOB, **self._main(loop_delay), **settings}
        return write_sections(folder / "many.ini", {"queue_mover3": main, **sections})

    def _single_ini(self, folder: Path, loop_delay: float, shard: Shard) -> Path:
        """A config file with one source and no section for it; the same consumer."""
        main = {"job_name": shard.consumer, **_source(shard), **self._main(loop_delay)}
        return write_ini(folder / f"{shard.name}.ini", "queue_mover3", main)

    def _main(self, loop_delay: float) -> dict[str, object]:
        return {
            "dst_db": self.target.conninfo(user=ROLE),
            "dst_queue_name": TARGET_QUEUE,
            "loop_delay": loop_delay,
        }

    @contextlib.contextmanager
    def one_process(
        self,
        loop_delay: float,
        sources: Sequence[Shard] | None = None,
        command: Sequence[str | Path] = COMMAND,
        **settings: object,
    ) -> Iterator[Process]:
        """One mover for all sources, or for some, killed at the end of the block."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ini = self.ini(folder, loop_delay, sources, **settings)
            with Process([*command, ini], folder, name="mover") as mover:
                yield mover

    @contextlib.contextmanager
    def process_each(
        self, loop_delay: float, sources: Sequence[Shard], command: Sequence[str] = COMMAND
    ) -> Iterator[list[Process]]:
        """A mover for each source, killed at the end of the block."""
        with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
            folder = Path(name)
            inis = [self._single_ini(folder, loop_delay, shard) for shard in sources]
            yield [
                stack.enter_context(Process([*command, ini], folder, name=ini.stem)) for ini in inis
            ]

    def register(self, tick: int | None) -> None:
        """Move all consumers to a tick (None: the latest), and empty the target."""
        for shard in self.sources:
            with shard.database.connect() as conn:
                conn.execute(
                    "select pgq.register_consumer_at(%s, %s, %s)",
                    [shard.queue, shard.consumer, tick],
                )
        with self.target.connect() as conn:
            conn.execute("truncate pgq_ext.completed_tick, queue_mover.origin")
            queues.truncate_events(conn, TARGET_QUEUE)
        self.servers.checkpoint()

    def arrivals(self) -> list[tuple[str, float, float]]:
        """Label, insert time and arrival time (Unix seconds) of each event on the target."""
        with self.target.connect() as conn:
            table = queues.qualified(queues.queue_table(conn, TARGET_QUEUE))
            return conn.execute(
                sql.SQL(
                    "select split_part(ev_data, ':', 1), extract(epoch from ev_time)::float,"
                    " extract(epoch from pg_xact_commit_timestamp(xmin))::float from {}"
                ).format(table)
            ).fetchall()


def _source(shard: Shard) -> dict[str, object]:
    return {"src_db": shard.database.conninfo(user=ROLE), "queue_name": shard.queue}


def connections(cluster: Cluster) -> int:
    """How many connections movers have to a cluster."""
    with cluster.connect() as conn:
        return int(value(conn, "select count(*) from pg_stat_activity where usename = %s", ROLE))


def wait_for_connections(cluster: Cluster, count: int) -> None:
    """Wait until movers have so many connections to a cluster."""
    wait_until(lambda: connections(cluster) >= count, 120, "connections", interval=0.5)


@contextlib.contextmanager
def shards(servers: Servers, databases: int, queues_each: int = 1) -> Iterator[Shards]:
    """This many databases, each with this many empty queues."""
    names = [f"shard{number:03}" for number in range(databases)]
    with servers.databases() as (template, target):
        with target.connect() as conn:
            queues.create_queue(conn, TARGET_QUEUE)
        with template.connect() as conn:
            for number in range(queues_each):
                queues.create_queue(conn, f"q{number:02}", ticker_max_count=1, ticker_max_lag="0")
        found = []
        try:
            for name in names:
                database = servers.source.create_database(name, template=template.name)
                found += [
                    Shard(f"{name}q{number:02}", database, f"q{number:02}")
                    for number in range(queues_each)
                ]
            yield Shards(servers, target, tuple(found))
        finally:
            for name in names:
                servers.source.drop_database(name)
