"""A source with several queues, a target, and one queue_mover3 between them."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg

from testbed.compare import compare
from testbed.database import Database
from testbed.events import queue_events
from testbed.ini import write_sections
from testbed.processes import Argument, Process, Processes, Result, run, script, wait_until
from testbed.queues import create_queue, produce, tick

PATIENCE = 30.0


class World:
    """Both databases, the config file `name`.ini, and what runs; `main` is what `write` writes."""

    def __init__(self, name: str, folder: Path, source: Database, target: Database) -> None:
        self.name, self.folder = name, folder
        self.source_db, self.target_db = source, target
        self.source, self.target = source.connect(), target.connect()
        self.main: dict[str, object] = {
            "job_name": name,
            "src_db": source.conninfo(),
            "dst_db": target.conninfo(),
            "queue_name": f"{name}_*",
            "dst_queue_name": "%(queue)s",
            "create_dst_queue": "1",
            "refresh": "0.3",
            "logfile": folder / "mover.log",
            "pidfile": folder / "mover.pid",
            "loop_delay": "0.05",
            "exception_sleep": "0.3",
        }
        self.sections: dict[str, Mapping[str, object]] = {}
        self._processes = Processes()

    def queue(self, name: str) -> str:
        """A queue of this test: databases are shared."""
        return f"{self.name}_{name}"

    def create(self, *names: str, **config: str) -> None:
        """Create queues on the source."""
        for name in names:
            create_queue(self.source, self.queue(name), **config)

    def produce(self, name: str, count: int, *, first: int = 1) -> None:
        """Produce events in a source queue, and tick."""
        produce(self.source, self.queue(name), count, first=first, label=name)
        tick(self.source, self.queue(name))

    def write(self) -> Path:
        """Write the config file."""
        path = self.folder / f"{self.name}.ini"
        return write_sections(path, {"queue_mover3": self.main, **self.sections})

    def run(self, *switches: Argument) -> Result:
        """Run the program to its end."""
        command = [script("queue_mover3"), *switches, self.write()]
        return run(command, cwd=self.folder, timeout=PATIENCE)

    def drain(self, *switches: Argument) -> Result:
        """Move all there is."""
        return self.run("--set", "loop_delay=0", *switches)

    def start(self, *switches: Argument) -> Process:
        """Start the program."""
        command = [script("queue_mover3"), *switches, self.write()]
        return self._processes.start(command, self.folder, name="queues")

    def reload(self, process: Process) -> None:
        """Write the file, HUP, and wait for the answer."""
        before = self.log.count("Config reloaded")
        self.write()
        process.send(signal.SIGHUP)
        self.until(lambda: self.log.count("Config reloaded") > before, "the reload")

    @property
    def log(self) -> str:
        """All of the log."""
        path = self.folder / "mover.log"
        return path.read_text() if path.exists() else ""

    def until(self, predicate: Callable[[], object], what: str) -> None:
        """Wait until something is true; the log is in the TimeoutError."""
        try:
            wait_until(predicate, PATIENCE, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the log:\n{self.log}") from None

    def logged(self, text: str) -> None:
        """Wait until the log has a text."""
        self.until(lambda: text in self.log, f"{text!r} in the log")

    def consumers(self, conn: psycopg.Connection | None = None) -> set[tuple[str, str]]:
        """The queues and consumers of this test, of the source unless `conn` says otherwise."""
        rows = (conn or self.source).execute(
            "select queue_name, consumer_name from pgq.get_consumer_info()"
        )
        return {(row[0], row[1]) for row in rows if str(row[0]).startswith(f"{self.name}_")}

    def registered(self, *names: str) -> None:
        """Wait until queues have a consumer."""
        wanted = {self.queue(name) for name in names}
        self.until(lambda: wanted <= {queue for queue, _ in self.consumers()}, f"{wanted}")

    def count(self, name: str) -> int:
        """How many events a target queue has; -1: it does not exist."""
        try:
            return queue_events(self.target_db, self.queue(name)).count()
        except LookupError:
            return -1

    def arrived(self, name: str, count: int) -> None:
        """Wait until a target queue has so many events."""
        self.until(lambda: self.count(name) == count, f"{count} events in {name}")

    def assert_identical(self, *names: str) -> None:
        """Each of these target queues has all events of its source queue, once, in order."""
        for name in names:
            queue = self.queue(name)
            sides = queue_events(self.source_db, queue), queue_events(self.target_db, queue)
            found = compare([sides[0]], sides[1])
            assert found.identical, f"{queue}: {found}"

    def target_queues(self) -> set[str]:
        """The names of the target's queues of this test."""
        rows = self.target.execute("select queue_name from pgq.queue")
        return {str(row[0]) for row in rows if str(row[0]).startswith(self.name)}

    def close(self) -> None:
        """Kill what still runs."""
        self._processes.kill()
        for conn in (self.source, self.target):
            with contextlib.suppress(psycopg.Error):
                conn.close()


@contextlib.contextmanager
def renamed(maintenance: psycopg.Connection, database: str) -> Iterator[None]:
    """A context in which a database cannot be reached under its name."""
    away = psycopg.sql.Identifier(f"{database}_away")
    name = psycopg.sql.Identifier(database)
    rename = psycopg.sql.SQL("alter database {} rename to {}")
    maintenance.execute(rename.format(name, away))
    try:
        yield
    finally:
        maintenance.execute(rename.format(away, name))
