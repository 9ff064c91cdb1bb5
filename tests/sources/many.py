"""Several source queues, one target queue, and one queue_mover3 between them."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg

from testbed.compare import compare
from testbed.database import Database
from testbed.events import queue_events
from testbed.ini import write_sections
from testbed.processes import Argument, Process, Processes, Result, run, script, wait_until
from testbed.queues import create_queue, locked_queue, produce, qualified, queue_table, tick
from testbed.sessions import blocked, sessions
from tests.sources.texts import FAST_CLOCKS

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine."""


@dataclass(frozen=True)
class Source:
    """One source: where its queue is, and an open connection to it."""

    name: str
    database: Database
    queue: str
    conn: psycopg.Connection

    def produce(self, count: int, *, first: int = 1) -> None:
        """Produce events that no other source has, and tick."""
        produce(self.conn, self.queue, count, first=first, label=self.name)
        tick(self.conn, self.queue)


class Many:
    """Queues in several databases, a target queue, and a directory with the config file.

    `main` and `sections` are what `write` writes; tests change them. Queues and job have names
    of their own, so that tests can share databases. Whatever runs at the end is killed.
    """

    def __init__(
        self, number: int, directory: Path, shards: Sequence[Database], target_db: Database
    ) -> None:
        self.directory = directory
        self.job, self.queue, self.target_queue = f"many{number}", f"from{number}", f"to{number}"
        self.target_db = target_db
        self.target = target_db.connect()
        create_queue(self.target, self.target_queue)
        self.main: dict[str, object] = {
            "job_name": self.job,
            "dst_db": target_db.conninfo(),
            "queue_name": self.queue,
            "dst_queue_name": self.target_queue,
            "logfile": directory / "many.log",
            "pidfile": directory / "many.pid",
            "loop_delay": "0.05",
            "exception_sleep": "0.2",
        }
        self.sections: dict[str, dict[str, object]] = {}
        self.sources: dict[str, Source] = {}
        self._processes = Processes()
        for index, database in enumerate(shards):
            self.add(f"shard{index}", database)

    # Sources and files

    def add(self, name: str, database: Database, queue: str | None = None) -> Source:
        """One more queue, in the file as [source:NAME] from the next `write` on."""
        conn = database.connect()
        create_queue(conn, queue or self.queue)
        self.sources[name] = Source(name, database, queue or self.queue, conn)
        section: dict[str, object] = {"src_db": database.conninfo()}
        if queue:
            section["queue_name"] = queue
        self.sections[f"source:{name}"] = section
        return self.sources[name]

    def crowd(self, count: int) -> None:
        """More sources, as further queues in the databases that are there."""
        shards = [source.database for source in self.sources.values()]
        for number in range(count):
            shard = shards[number % len(shards)]
            self.add(f"extra{number}", shard, f"{self.queue}_extra{number}")

    def section(self, name: str) -> dict[str, object]:
        """The section of a source."""
        return self.sections[f"source:{name}"]

    def leave_out(self, *names: str) -> None:
        """Write these sources into the file no more."""
        for name in names:
            del self.sections[f"source:{name}"]

    @property
    def config(self) -> Path:
        """The config file."""
        return self.directory / f"{self.job}.ini"

    def write(self) -> Path:
        """Write the config file."""
        return write_sections(self.config, {"queue_mover3": self.main, **self.sections})

    @property
    def log(self) -> str:
        """All that stands in the log file."""
        path = self.directory / "many.log"
        return path.read_text() if path.exists() else ""

    def until(self, predicate: Callable[[], object], what: str) -> None:
        """Wait until something is true; the log stands in the TimeoutError."""
        try:
            wait_until(predicate, PATIENCE, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the log:\n{self.log}") from None

    def logged(self, text: str, times: int = 1) -> None:
        """Wait until a text stands in the log file so many times."""
        self.until(lambda: self.log.count(text) >= times, f"{text!r} in the log")

    def errors(self, name: str = "") -> list[str]:
        """The lines of the log at level ERROR that name a source."""
        return [line for line in self.log.splitlines() if f" ERROR {name}" in line]

    # The program

    def run(self, *switches: Argument) -> Result:
        """Run it to its end."""
        command = [script("queue_mover3"), *switches, self.write()]
        return run(command, cwd=self.directory, timeout=PATIENCE)

    def drain(self, *switches: Argument) -> Result:
        """Run it until all is moved."""
        return self.run("--set", "loop_delay=0", *switches)

    def launch(self, *switches: Argument, fast_clocks: bool = False) -> Process:
        """Start it, in the foreground."""
        program = [sys.executable, "-c", FAST_CLOCKS] if fast_clocks else [script("queue_mover3")]
        command = [*program, *switches, self.write()]
        return self._processes.start(command, self.directory, name="many")

    def start(self, *switches: Argument, fast_clocks: bool = False) -> Process:
        """Start it, and wait until all sources of the file are registered."""
        process = self.launch(*switches, fast_clocks=fast_clocks)
        for name in self.sources:
            if f"source:{name}" in self.sections:
                self.registered(name)
        return process

    def reload(self, process: Process) -> None:
        """Write the file, HUP, and wait for the answer."""
        before = self.log.count("Config reloaded")
        self.write()
        process.send(signal.SIGHUP)
        self.logged("Config reloaded", before + 1)

    # The queues

    def consumer(self, name: str) -> str:
        """What a source's consumer is called where nothing else is set."""
        return f"{self.job}.{name}"

    def consumers(self, name: str) -> set[str]:
        """The consumers of a source's queue."""
        source = self.sources[name]
        rows = source.conn.execute(
            "select consumer_name from pgq.get_consumer_info(%s)", [source.queue]
        )
        return {row[0] for row in rows}

    def registered(self, name: str) -> None:
        """Wait for the registration of a source."""
        self.until(
            lambda: self.consumer(name) in self.consumers(name), f"the registration of {name}"
        )

    def register(self, *names: str) -> None:
        """Register consumers as the program would; all of them, without names."""
        for name in names or self.sources:
            source = self.sources[name]
            source.conn.execute(
                "select pgq.register_consumer(%s, %s)", [source.queue, self.consumer(name)]
            )

    def produce(self, count: int, *, ticks: int = 1, held: int = 0) -> None:
        """Produce events in every source, for each of its ticks; wait until batches are held."""
        for source in self.sources.values():
            for number in range(ticks):
                source.produce(count, first=1 + count * number)
        self.wait_for_lock(held)

    def positions(self) -> dict[str, int]:
        """The positions of our consumers on the target."""
        rows = self.target.execute(
            "select consumer_id, last_tick_id from pgq_ext.completed_tick"
            " where consumer_id like %s",
            [f"{self.job}.%"],
        )
        return {row[0].partition(".")[2]: row[1] for row in rows}

    def lose_position(self, name: str) -> None:
        """Somebody sets a position by hand."""
        self.target.execute(
            "select pgq_ext.set_last_tick(%s, %s::bigint)", [self.consumer(name), 1234567]
        )

    def finished(self, name: str) -> bool:
        """Whether the source has been told about its last batch."""
        source = self.sources[name]
        row = source.conn.execute(
            "select current_batch is null and last_tick ="
            " (select last_tick_id from pgq.get_queue_info(%s))"
            " from pgq.get_consumer_info(%s, %s)",
            [source.queue, source.queue, self.consumer(name)],
        ).fetchone()
        return row == (True,)

    def arrived(self, queue: str | None = None) -> dict[str, int]:
        """How many events of each source a target queue has."""
        table = qualified(queue_table(self.target, queue or self.target_queue))
        statement = psycopg.sql.SQL(
            "select split_part(ev_data, ':', 1), count(*) from {} group by 1"
        )
        return dict(self.target.execute(statement.format(table)).fetchall())

    def wait_for(self, queue: str | None = None, /, **expected: int) -> None:
        """Wait until so many events of each of these sources have arrived."""
        self.until(lambda: expected.items() <= self.arrived(queue).items(), f"{expected}")

    def assert_identical(self, *names: str) -> None:
        """The target has all events of these sources (all, without names), once, in order."""
        chosen = [self.sources[name] for name in names or self.sources]
        sources = [queue_events(source.database, source.queue) for source in chosen]
        found = compare(sources, queue_events(self.target_db, self.target_queue))
        assert found.identical, str(found)

    # Sessions

    def backends(self, name: str) -> set[int]:
        """The mover's sessions on a source's side; on the target for "target"."""
        if name == "target":
            return sessions(self.target_db, self.target, self.job)
        source = self.sources[name]
        return sessions(source.database, source.conn, self.job)

    @contextlib.contextmanager
    def held(self, queue: str | None = None) -> Iterator[None]:
        """Keep batches from arriving in a target queue as long as the block lasts."""
        with self.target_db.connect() as conn, locked_queue(conn, queue or self.target_queue):
            yield

    def apart(self, name: str) -> str:
        """Send a source to a target queue of its own; the name of that queue."""
        queue = f"{self.target_queue}_{name}"
        create_queue(self.target, queue)
        self.section(name)["dst_queue_name"] = queue
        return queue

    def wait_for_lock(self, count: int = 1) -> None:
        """Wait until so many batches are on their way and held."""
        self.until(lambda: blocked(self.target, self.job) >= count, f"{count} held batches")

    # The end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.kill()
        for source in self.sources.values():
            source.conn.close()
        self.target.close()
