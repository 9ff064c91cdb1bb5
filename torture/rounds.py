"""Rounds of faults under load, each followed by the checks."""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import psycopg

from testbed.database import value
from testbed.processes import wait_until
from testbed.queues import tick
from torture import checks
from torture.faults import EXCLUDED, Faults, Lasting
from torture.fleet import LAYOUTS, Fleet, Layout, consumer
from torture.observers import Reader, Watcher
from torture.producer import start_writers, stop_writers
from torture.servers import NAMES, QUEUE, TARGET_QUEUE, Servers
from torture.threads import RetryingThread

PER_ROUND = 20
DRAIN_TIMEOUT = 120.0
"""Seconds for the movers to catch up once everything works again."""


@dataclass
class Report:
    """The result."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    events: int = 0
    reads: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = [f"  {count:5} {kind}" for kind, count in self.faults.most_common()]
        failed = "\n".join(["FAILED", *self.failures])
        verdict = failed if self.failures else "nothing lost, nothing duplicated"
        return "\n".join(
            [
                f"seed {self.seed}: {self.faults.total()} faults in {self.rounds} rounds,"
                f" {self.events} events, {self.reads} reads of the target",
                *kinds,
                verdict,
            ]
        )


class Torture:
    """The whole run."""

    def __init__(self, seed: int, directory: Path, layouts: tuple[Layout, ...] = LAYOUTS) -> None:
        self.report = Report(seed)
        self._rng = Random(seed)
        self._layouts = layouts
        self._servers = Servers()
        if self._servers.disk is None:
            _say("skipped: disk full (mounting a file system is not allowed here)")
        self._fleet = Fleet(self._servers, directory, self._rng)
        self._faults = Faults(self._servers, self._fleet)
        self._lasting: dict[str, tuple[float, Lasting]] = {}
        self._sources = [Reader(each, QUEUE) for each in self._servers.source.databases]
        self._target = Reader(self._servers.target_database, TARGET_QUEUE)
        self._watcher = Watcher(self._servers.target_database, [consumer(name) for name in NAMES])

    def run(self, faults: int, seconds: float) -> Report:
        """Run rounds until the faults or the seconds are used up, or a check fails."""
        end = time.monotonic() + seconds
        threads: list[RetryingThread] = [*self._sources, self._target, self._watcher]
        for thread in threads:
            thread.start()
        self._fleet.fill_up()
        self._wait_for_registrations()
        while self.report.faults.total() < faults and time.monotonic() < end:
            self._round(min(PER_ROUND, faults - self.report.faults.total()), end)
            if self.report.failures:
                break
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join()
        self.report.reads = self._watcher.reads
        return self.report

    def close(self) -> None:
        """Stop and remove everything."""
        self._fleet.kill()
        self._servers.close()

    def _wait_for_registrations(self) -> None:
        """A mover moves only what is written after it has registered."""
        for name, database in zip(NAMES, self._servers.source.databases, strict=True):
            with database.connect() as conn:
                statement = "select count(*) from pgq.get_consumer_info(%s, %s)"
                registered = partial(value, conn, statement, QUEUE, consumer(name))
                wait_until(registered, DRAIN_TIMEOUT, f"{consumer(name)} to register")

    def _round(self, faults: int, end: float) -> None:
        self.report.rounds += 1
        number = self.report.rounds
        self._fleet.layout = self._layouts[number % len(self._layouts)]
        writers = start_writers(self._servers.source.databases, f"{self.report.seed}:{number}")
        done = 0
        while done < faults and time.monotonic() < end:
            done += self._inject_fault()
            time.sleep(self._rng.uniform(0, 0.6))
            self._undo_due()
            self._fleet.fill_up()
        self._undo_due(everything=True)
        stop_writers(writers)
        self._check(number)

    def _inject_fault(self) -> int:
        """Inject a random fault. Returns 1, or 0 if that was not possible."""
        kind = self._rng.choice(list(self._faults.kinds))
        if any(kind == lasting or kind in EXCLUDED.get(lasting, ()) for lasting in self._lasting):
            return 0
        try:
            lasting = self._faults.kinds[kind]()
        except psycopg.Error:
            # A lasting fault prevents this one.
            return 0
        if lasting is False:
            return 0
        self.report.faults[kind] += 1
        if isinstance(lasting, Lasting):
            self._lasting[kind] = (time.monotonic() + lasting.seconds, lasting)
        return 1

    def _undo_due(self, *, everything: bool = False) -> None:
        for kind, (due, lasting) in list(self._lasting.items()):
            if everything or time.monotonic() >= due:
                del self._lasting[kind]
                lasting.undo()

    def _check(self, number: int) -> None:
        """Let the movers catch up, stop everything, and run the checks."""
        failures = self.report.failures
        self._fleet.thaw()
        self._fleet.fill_up()
        for database in self._servers.source.databases:
            with database.connect() as conn:
                tick(conn, QUEUE)
        try:
            wait_until(self._is_drained, DRAIN_TIMEOUT, "the queues to drain", 0.2)
        except TimeoutError as error:
            failures.append(f"{error}\n{self._logs()}")
        self._servers.source.stop_ticker()
        self._settle()
        sources = [reader.events for reader in self._sources]
        events = sum(each.count() for each in sources)
        failures += checks.check_events(self._servers, sources, self._target.events)
        failures += checks.check_positions(self._servers)
        failures += [*self._watcher.failures, *self._fleet.failures]
        self.report.events += events
        _say(f"round {number} ({self._fleet.layout}): {events} events, {len(failures)} failures")
        if not failures:
            checks.clear(sources, self._target.events)
            self._servers.source.start_ticker()

    def _is_drained(self) -> bool:
        self._fleet.fill_up()
        return checks.is_drained(self._servers)

    def _settle(self) -> None:
        """With the tickers stopped: move the last ticks, stop the movers, collect the rest."""
        wait_until(self._is_drained, DRAIN_TIMEOUT, "the last ticks to move", 0.2)
        self._fleet.stop()
        with self._servers.target.connect() as conn:
            last = tick(conn, TARGET_QUEUE)
        self._target.wait_for(last, DRAIN_TIMEOUT)
        for reader, database in zip(self._sources, self._servers.source.databases, strict=True):
            with database.connect() as conn:
                last = tick(conn, QUEUE)
            reader.wait_for(last, DRAIN_TIMEOUT)

    def _logs(self) -> str:
        tails = [
            f"{member.process.name}:\n    " + "\n    ".join(member.process.stderr.splitlines()[-8:])
            for member in self._fleet.members
        ]
        return "\n".join(tails)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
