"""The order of it all: rounds of faults under load, each followed by an account."""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg

from testbed.processes import wait_until
from testbed.queues import tick
from torture import checks
from torture.faults import EXCLUDED, Faults, Lasting
from torture.fleet import LAYOUTS, Fleet, Layout, consumer
from torture.observers import Reader, Watcher
from torture.producer import start_writers, stop_writers
from torture.servers import NAMES, QUEUE, TARGET_QUEUE, Servers

PER_ROUND = 20
DRAIN = 120.0
"""Seconds that the movers get, with everything working again, to bring what is left."""


@dataclass
class Report:
    """How it went."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    events: int = 0
    looks: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = [f"  {count:5} {kind}" for kind, count in self.faults.most_common()]
        verdict = "\n".join(["FAILED", *self.wrong]) if self.wrong else "nothing lost, none doubled"
        return "\n".join(
            [
                f"seed {self.seed}: {self.faults.total()} faults in {self.rounds} rounds,"
                f" {self.events} events, {self.looks} looks at the target",
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
            _say("skipped: disk full (no file system of our own can be mounted here)")
        self._fleet = Fleet(self._servers, directory, self._rng)
        self._faults = Faults(self._servers, self._fleet)
        self._lasting: dict[str, tuple[float, Lasting]] = {}
        self._sources = [Reader(each, QUEUE) for each in self._servers.source.databases]
        self._target = Reader(self._servers.target_database, TARGET_QUEUE)
        self._watcher = Watcher(self._servers.target_database, [consumer(name) for name in NAMES])

    def run(self, faults: int, seconds: float) -> Report:
        """Rounds until so many faults or seconds are over, or something is wrong."""
        end = time.monotonic() + seconds
        threads: list[Reader | Watcher] = [*self._sources, self._target, self._watcher]
        for thread in threads:
            thread.start()
        self._fleet.fill_up()
        self._await_registrations()
        while self.report.faults.total() < faults and time.monotonic() < end:
            self._round(min(PER_ROUND, faults - self.report.faults.total()), end)
            if self.report.wrong:
                break
        for thread in threads:
            thread.stop()
        self.report.looks = self._watcher.looks
        return self.report

    def close(self) -> None:
        """Take everything down."""
        self._fleet.kill()
        self._servers.close()

    def _await_registrations(self) -> None:
        """A mover brings what was written since it registered: nobody writes before."""
        for name, database in zip(NAMES, self._servers.source.databases, strict=True):
            with database.connect() as conn:
                wait_until(
                    lambda conn=conn, name=name: (
                        conn.execute(  # type: ignore[misc]
                            "select from pgq.get_consumer_info(%s, %s)", [QUEUE, consumer(name)]
                        ).fetchone()
                        is not None
                    ),
                    DRAIN,
                    f"{consumer(name)} to register",
                )

    def _round(self, faults: int, end: float) -> None:
        self.report.rounds += 1
        number = self.report.rounds
        self._fleet.layout = self._layouts[number % len(self._layouts)]
        writers = start_writers(self._servers.source.databases, f"{self.report.seed}:{number}")
        done = 0
        while done < faults and time.monotonic() < end:
            done += self._one_fault()
            time.sleep(self._rng.uniform(0, 0.6))
            self._undo_what_is_due()
            self._fleet.fill_up()
        self._undo_what_is_due(everything=True)
        stop_writers(writers)
        self._account(number)

    def _one_fault(self) -> int:
        """Do something bad. Returns how many faults it was."""
        kind = self._rng.choice(list(self._faults.kinds))
        if any(kind == lasting or kind in EXCLUDED.get(lasting, ()) for lasting in self._lasting):
            return 0
        try:
            lasting = self._faults.kinds[kind]()
        except psycopg.Error:
            # Another fault that lasts is in the way of this one.
            return 0
        if lasting is False:
            return 0
        self.report.faults[kind] += 1
        if isinstance(lasting, Lasting):
            self._lasting[kind] = (time.monotonic() + lasting.seconds, lasting)
        return 1

    def _undo_what_is_due(self, *, everything: bool = False) -> None:
        for kind, (due, lasting) in list(self._lasting.items()):
            if everything or time.monotonic() >= due:
                del self._lasting[kind]
                lasting.undo()

    def _account(self, number: int) -> None:
        """Let everything work, bring the rest, stop, and count."""
        wrong = self.report.wrong
        self._fleet.thaw()
        self._fleet.fill_up()
        for database in self._servers.source.databases:
            with database.connect() as conn:
                tick(conn, QUEUE)
        try:
            wait_until(self._is_drained, DRAIN, "the queues to be drained", 0.2)
        except TimeoutError as error:
            wrong.append(f"{error}\n" + self._logs())
        self._servers.source.stop_ticker()
        self._settle()
        sources = [reader.events for reader in self._sources]
        events = sum(each.count() for each in sources)
        wrong += checks.check_events(self._servers, sources, self._target.events)
        wrong += checks.check_positions(self._servers)
        wrong += [*self._watcher.found, *self._fleet.complaints]
        self.report.events += events
        _say(f"round {number} ({self._fleet.layout}): {events} events, {len(wrong)} wrong")
        if not wrong:
            checks.forget(sources, self._target.events)
            self._servers.source.start_ticker()

    def _is_drained(self) -> bool:
        self._fleet.fill_up()
        return checks.is_drained(self._servers)

    def _settle(self) -> None:
        """Ticks have ended: bring the last ones, stop all movers, collect the rest."""
        wait_until(self._is_drained, DRAIN, "the last ticks to be moved", 0.2)
        self._fleet.stop()
        with self._servers.target.connect() as conn:
            last = tick(conn, TARGET_QUEUE)
        wait_until(lambda: self._target.position() >= last, DRAIN, "the target's collector")
        for reader, database in zip(self._sources, self._servers.source.databases, strict=True):
            with database.connect() as conn:
                last = tick(conn, QUEUE)
            wait_until(lambda r=reader, t=last: r.position() >= t, DRAIN, "a source's collector")  # type: ignore[misc]

    def _logs(self) -> str:
        tails = [
            f"{member.process.name}:\n    " + "\n    ".join(member.process.stderr.splitlines()[-8:])
            for member in self._fleet.members
        ]
        return "\n".join(tails)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
