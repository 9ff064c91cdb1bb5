"""`pgqadm ticker` as a job of the service."""

import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import LiteralString

from queue_mover.admin import ticker
from queue_mover.admin.ticker import Call, Ticked
from queue_mover.config.settings import AdminSettings
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database
from queue_mover.service.flavoured_ticker import FlavouredTicker
from queue_mover.service.job import JobSpec, Step
from queue_mover.system.statistics_line import statistics_line

TICK: LiteralString = "{pgq}.ticker("
"""Prefix of the calls made at every step, which are listed only when they fail."""


@dataclass(slots=True)
class Chores:
    """When maintenance and retry events are due next, in seconds of the monotonic clock."""

    maint_delay: float
    retry_delay: float
    log: logging.Logger
    flavour: Flavour = PGQ
    _maintenance: float = 0.0
    _retry: float = 0.0

    def due(self, connection: Connection) -> Generator[Call, None, None] | None:
        """The chore that is due, started; maintenance includes retry events."""
        now = time.monotonic()
        if self.maint_delay and now >= self._maintenance:
            self._maintenance, self._retry = now + self.maint_delay, now + self.retry_delay
            return self._timed(ticker.maintain(connection, self.flavour))
        if self.retry_delay and now >= self._retry:
            self._retry = now + self.retry_delay
            return ticker.retry_events(connection, self.flavour)
        return None

    def _timed(self, calls: Iterator[Call]) -> Generator[Call, None, None]:
        """The calls of a round; logs its duration in seconds at the end."""
        began = time.monotonic()
        yield from calls
        duration = round(time.monotonic() - began, 4)
        self.log.info("%s", statistics_line({"maint_duration": duration}))


@dataclass(slots=True)
class TickLines:
    """When to log how many queues have been ticked: at once, then every `delay` seconds."""

    delay: float
    _count: int = 0
    _next: float = 0.0

    def add(self, count: int, now: float) -> dict[str, object]:
        """Count the ticks of a step made `now`, in seconds of the monotonic clock.

        Returns the values of a statistics line, empty when none is due.
        """
        self._count += count
        if now < self._next:
            return {}
        values: dict[str, object] = {"ticks": self._count}
        self._count, self._next = 0, now + self.delay
        return values


class TickerJob:
    """Ticks at every step; in between, makes the calls of a chore one at a time."""

    def __init__(
        self,
        database: Database,
        chores: Chores,
        lines: TickLines,
        log: logging.Logger,
        flavour: Flavour = PGQ,
    ) -> None:
        self._database = database
        self._chores = chores
        self._lines = lines
        self._log = log
        self._flavour = flavour
        self._running: Generator[Call, None, None] | None = None
        self._logged: set[str] = set()
        self._prepared = False

    def prepare(self) -> None:
        """The first tick tells whether ticking is possible; it is made once."""
        if not self._prepared:
            with self._database.session() as connection:
                self._log_ticks(ticker.tick(connection, self._flavour))
            self._prepared = True

    def step(self) -> Step:
        """Tick; then one call of the chore that is running or due."""
        # Taken out while it runs: one that fails with its connection must not come back.
        chore, self._running = self._running, None
        with self._database.session() as connection:
            self._log_ticks(ticker.tick(connection, self._flavour))
            chore = chore or self._chores.due(connection)
            call = next(chore, None) if chore else None
        if call is None:
            return Step(worked=False)
        self._running = chore
        self._log.debug("maintenance: %s", call.name)
        self._log_failure(call)
        return Step(worked=True)

    def _log_ticks(self, ticked: Ticked) -> None:
        failing = {call.name for call in ticked.failures}
        tick = self._flavour.sql(TICK)
        self._logged = {
            name for name in self._logged if name in failing or not name.startswith(tick)
        }
        for call in ticked.failures:
            self._log_failure(call)
        if values := self._lines.add(ticked.count, time.monotonic()):
            self._log.info("%s", statistics_line(values))

    def _log_failure(self, call: Call) -> None:
        """Log a failure once, until the same call has succeeded again."""
        if call.failure is None:
            self._logged.discard(call.name)
        elif call.name not in self._logged:
            self._logged.add(call.name)
            self._log.error("%s: %s", call.name, call.failure)

    def close(self) -> None:
        """Close the connection, and forget the chore that was running on it."""
        self._running = None
        self._database.close()


def spec(settings: AdminSettings) -> JobSpec:
    """The job that runs the ticker."""
    process = settings.process
    log = logging.getLogger(process.job_name)

    def connect(flavour: Flavour) -> Database:
        return Database("", settings.db, process.job_name, process.connection_lifetime, flavour)

    def make() -> FlavouredTicker:
        lines = TickLines(settings.ticker_log_delay)

        def ticker_of(flavour: Flavour, database: Database) -> TickerJob:
            chores = Chores(settings.maint_delay, settings.retry_delay, log, flavour)
            return TickerJob(database, chores, lines, log, flavour)

        return FlavouredTicker(
            connect, ticker_of, log, wanted=settings.flavour, pause=process.exception_sleep
        )

    delays = (settings.maint_delay, settings.retry_delay, settings.ticker_log_delay)
    return JobSpec("", (settings.db, settings.flavour, delays), process, make, log_idle=False)
