"""Many source databases, and one target queue for all of them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from bench.servers import ROLE, Servers
from testbed import queues
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.ini import write_sections
from testbed.processes import script, write_ini

JOB = "many"
TARGET_QUEUE = "arrived"
COMMAND = (script("queue_mover3"),)


@dataclass(frozen=True)
class Shard:
    """One source: a queue in a database."""

    name: str
    database: Database
    queue: str

    @property
    def consumer(self) -> str:
        """Its consumer, by the program's own rule."""
        return f"{JOB}.{self.name}"


@dataclass(frozen=True)
class Shards:
    """Sources and their target."""

    servers: Servers
    target: Database
    sources: tuple[Shard, ...]

    def ini(
        self, folder: Path, settings: Mapping[str, str], sources: Sequence[Shard] | None = None
    ) -> Path:
        """One config file for all sources, or for some."""
        main = {"job_name": JOB, **self._target(), **settings}
        sections = {
            f"source:{shard.name}": {
                "src_db": shard.database.conninfo(user=ROLE),
                "queue_name": shard.queue,
            }
            for shard in (self.sources if sources is None else sources)
        }
        return write_sections(folder / "many.ini", {"queue_mover3": main, **sections})

    def single_ini(self, folder: Path, shard: Shard, settings: Mapping[str, str]) -> Path:
        """A config file with one source and no section for it; the same consumer."""
        values = {
            "job_name": shard.consumer,
            "src_db": shard.database.conninfo(user=ROLE),
            "queue_name": shard.queue,
            **self._target(),
            **settings,
        }
        return write_ini(folder / f"{shard.name}.ini", "queue_mover3", values)

    def _target(self) -> dict[str, str]:
        return {"dst_db": self.target.conninfo(user=ROLE), "dst_queue_name": TARGET_QUEUE}

    def register(self, tick: int | None) -> None:
        """Put all consumers at a tick (None: the newest), and forget what the target has."""
        for shard in self.sources:
            with shard.database.connect() as conn:
                conn.execute(
                    "select pgq.register_consumer_at(%s, %s, %s)",
                    [shard.queue, shard.consumer, tick],
                )
        with self.target.connect() as conn:
            conn.execute("truncate pgq_ext.completed_tick, queue_mover.origin")
            queues.truncate_events(conn, TARGET_QUEUE)
        self.servers.settle()

    def arrivals(self) -> list[tuple[str, float, float]]:
        """Label, time of insert and time of arrival (seconds since 1970) of all events there."""
        with self.target.connect() as conn:
            table = queues.qualified(queues.queue_table(conn, TARGET_QUEUE))
            return conn.execute(
                sql.SQL(
                    "select split_part(ev_data, ':', 1), extract(epoch from ev_time)::float,"
                    " extract(epoch from pg_xact_commit_timestamp(xmin))::float from {}"
                ).format(table)
            ).fetchall()

    def source_connections(self) -> int:
        """How many connections movers hold to the source cluster."""
        return connections(self.servers.source)

    def target_connections(self) -> int:
        """How many connections movers hold to the target cluster."""
        return connections(self.servers.target)


def connections(cluster: Cluster) -> int:
    """How many connections movers hold to a cluster."""
    with cluster.connect() as conn:
        return int(value(conn, "select count(*) from pg_stat_activity where usename = %s", ROLE))


@contextlib.contextmanager
def shards(servers: Servers, databases: int, queues_each: int = 1) -> Iterator[Shards]:
    """So many databases, each with so many queues without events."""
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
