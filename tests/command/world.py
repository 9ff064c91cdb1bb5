"""A source queue, a target queue, and queue_mover3 between them as an operator runs it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psycopg

from testbed.database import Database, value
from testbed.events import read_events
from testbed.processes import (
    Argument,
    Process,
    Processes,
    Result,
    run,
    script,
    wait_until,
    write_ini,
)
from testbed.queues import create_queue, last_tick, locked_queue, produce, tick
from testbed.sessions import blocked, sessions

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine."""


class World:
    """A queue in each of two databases, and a directory with the config file.

    The names of queues and job, and so of file and consumer, are its own: tests may share
    databases. Whatever runs at the end is killed.
    """

    def __init__(
        self, number: int, directory: Path, source_db: Database, target_db: Database
    ) -> None:
        self.directory = directory
        self.source_db, self.target_db = source_db, target_db
        self.source, self.target = source_db.connect(), target_db.connect()
        self.job = f"mover{number}"
        self.source_queue, self.target_queue = f"from{number}", f"to{number}"
        create_queue(self.source, self.source_queue)
        create_queue(self.target, self.target_queue)
        self.settings: dict[str, object] = {
            "src_db": source_db.conninfo(),
            "dst_db": target_db.conninfo(),
            "queue_name": self.source_queue,
            "dst_queue_name": self.target_queue,
            "pidfile": directory / "mover.pid",
            "logfile": directory / "mover.log",
            "loop_delay": "0.05",
        }
        self._processes = Processes()

    # Files

    @property
    def config(self) -> Path:
        """The config file."""
        return self.directory / f"{self.job}.ini"

    @property
    def pidfile(self) -> Path:
        """Where the config says."""
        return self.directory / "mover.pid"

    @property
    def log(self) -> str:
        """All that stands in the log file."""
        path = self.directory / "mover.log"
        return path.read_text() if path.exists() else ""

    def write(self, **changes: object) -> Path:
        """Write the config file, with changed and further settings; None leaves one out."""
        settings = {**self.settings, **changes}
        kept = {key: value for key, value in settings.items() if value is not None}
        return write_ini(self.config, "queue_mover3", kept)

    # The program

    def run(self, *switches: Argument, **changes: object) -> Result:
        """Run it to its end, with the config file as last argument."""
        command = [script("queue_mover3"), *switches, self.write(**changes)]
        return run(command, cwd=self.directory, timeout=PATIENCE)

    def drain(self, *switches: Argument, **changes: object) -> Result:
        """Run it until the queue is drained."""
        return self.run(*switches, **{"loop_delay": 0, **changes})

    def start(self, *switches: Argument, **changes: object) -> Process:
        """Start it in the foreground, and wait until it works."""
        process = self.launch(self.write(**changes), *switches)
        wait_until(lambda: self.backends(self.source), PATIENCE, "its connection")
        wait_until(lambda: self.consumer() is not None, PATIENCE, "the registration")
        return process

    def launch(self, *arguments: Argument, name: str = "mover") -> Process:
        """Start it in the foreground."""
        program = [script("queue_mover3"), *arguments]
        return self._processes.start(program, self.directory, name=name)

    def daemon(self, *switches: Argument, **changes: object) -> int:
        """Start it in the background; its process id."""
        self.run("-d", *switches, **changes).check()
        return self.adopt()

    def adopt(self, pidfile: Path | None = None) -> int:
        """The process id of a daemon, which is killed at the end if need be."""
        return self._processes.adopt(pidfile or self.pidfile)

    def stopped(self, pid: int) -> None:
        """Wait for the end of a daemon."""
        self._processes.wait_for_end(pid)

    def logged(self, text: str, times: int = 1) -> None:
        """Wait until a text stands in the log file so many times."""
        wait_until(
            lambda: self.log.count(text) >= times, PATIENCE, f"{text!r} in the log:\n{self.log}"
        )

    # The queues

    def register(self) -> None:
        """Register the consumer as the program would, without running it."""
        self.source.execute("select pgq.register_consumer(%s, %s)", [self.source_queue, self.job])

    def produce(self, count: int, *, first: int = 1) -> None:
        """Produce events on the source, and tick."""
        produce(self.source, self.source_queue, count, first=first)
        tick(self.source, self.source_queue)

    def arrived(self, target: Database | None = None) -> int:
        """How many events the target has."""
        return len(read_events(target or self.target_db, self.target_queue))

    def identical(self) -> bool:
        """Whether the target has all events of the source, once, in order."""
        there = read_events(self.target_db, self.target_queue)
        return there == read_events(self.source_db, self.source_queue)

    def wait_for_events(self, count: int, target: Database | None = None) -> None:
        """Wait until the target has so many events."""
        wait_until(lambda: self.arrived(target) >= count, PATIENCE, f"{count} events")

    def consumer(self) -> tuple[int, int | None] | None:
        """The position on the source, and the active batch; None where not registered."""
        row = self.source.execute(
            "select last_tick, current_batch from pgq.get_consumer_info(%s, %s)",
            [self.source_queue, self.job],
        ).fetchone()
        return (row[0], row[1]) if row else None

    def active_end(self) -> int | None:
        """The tick at the end of the active batch."""
        statement = "select next_tick from pgq.get_consumer_info(%s, %s)"
        end: int | None = value(self.source, statement, self.source_queue, self.job)
        return end

    def finished(self) -> bool:
        """Whether the source knows that every batch is done."""
        return self.consumer() == (last_tick(self.source, self.source_queue), None)

    def position(self) -> int | None:
        """The position on the target."""
        position: int | None = value(self.target, "select pgq_ext.get_last_tick(%s)", self.job)
        return position

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Keep a batch from arriving as long as the block lasts, which begins when one waits."""
        with self.target_db.connect() as conn, locked_queue(conn, self.target_queue):
            if self.consumer() is None:
                self.register()
            yield

    @contextlib.contextmanager
    def stalled_batch(self, events: int, **changes: object) -> Iterator[Process]:
        """Start it in the foreground with a batch that is stalled as long as the block lasts."""
        with self.stalled():
            self.produce(events)
            process = self.start(**changes)
            self.wait_for_stall()
            yield process

    def wait_for_stall(self) -> None:
        """Wait until a batch is on its way and stalled."""
        wait_until(lambda: blocked(self.target, self.job), PATIENCE, "a stalled batch")

    def backends(self, conn: psycopg.Connection) -> set[int]:
        """The mover's sessions on a side."""
        database = self.source_db if conn is self.source else self.target_db
        return sessions(database, conn, self.job)

    def reconnect(self) -> None:
        """Connect anew, after a restart of a server."""
        self.source.close()
        self.target.close()
        self.source, self.target = self.source_db.connect(), self.target_db.connect()

    # The end

    def _left_over(self) -> list[int]:
        """The living processes that were started with a file of this world."""
        found = []
        for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.config) in cmdline.read_text(errors="replace").split("\0"):
                    found.append(int(cmdline.parent.name))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.kill()
        for pid in self._left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.source.close()
        self.target.close()
