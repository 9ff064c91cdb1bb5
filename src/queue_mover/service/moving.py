"""Movers as jobs of the service."""

import time
from dataclasses import dataclass, field

from queue_mover import logs
from queue_mover.config.settings import MoverSettings, Settings
from queue_mover.db import Database, Pool
from queue_mover.model import Log, Outcome, Result
from queue_mover.mover import Mover
from queue_mover.registration import Registrar
from queue_mover.service.job import Plan, Step, Task

REMINDER = 60.0
"""Seconds between log lines while another mover holds the lock."""


class MovingJob:
    """Moves one source queue, a batch a step."""

    def __init__(self, mover: Mover, log: Log) -> None:
        self._mover = mover
        self._log = log
        self._reminded = float("-inf")

    def prepare(self) -> None:
        """Look at both sides, and register when new."""
        self._mover.prepare()

    def step(self) -> Step:
        """Move the next batch."""
        outcome = self._mover.move_batch()
        if outcome.result is Result.BUSY:
            self._tell_busy(outcome)
            return Step(worked=False, waits=True)
        self._reminded = float("-inf")
        if outcome.result is Result.IDLE:
            return Step(worked=False)
        if outcome.result is not Result.MOVED:
            self._log.info("batch %s: not applied again", outcome.result.value)
        for note in outcome.quarantined:
            self._log.warning("quarantined: %s", note)
        return Step(worked=True, count=outcome.count, quarantined=len(outcome.quarantined))

    def _tell_busy(self, outcome: Outcome) -> None:
        now = time.monotonic()
        if now - self._reminded >= REMINDER:
            self._reminded = now
            self._log.info("standing by: the consumer's lock is held by %s", outcome.holder)

    def finish(self) -> None:
        """Tell the source about the last batch."""
        self._mover.finish()

    def close(self) -> None:
        """Close the connections."""
        self._mover.close()

    def abandon(self) -> None:
        """Cut the connections."""
        self._mover.abandon()


@dataclass(slots=True)
class Targets:
    """The connections to targets that all movers of a process share."""

    _pools: dict[tuple[object, ...], Pool] = field(default_factory=dict)

    def pool(self, settings: MoverSettings, size: int) -> Pool:
        """The one pool for a mover's target, of at most so many connections."""
        process = settings.process
        how = (settings.dst_db, process.job_name, process.connection_lifetime)
        key = (*how, size)
        if key not in self._pools:
            self._pools[key] = Pool([Database("target", *how) for _ in range(size)])
        return self._pools[key].join()


def source_database(settings: MoverSettings) -> Database:
    """The source of a mover, not connected yet."""
    process = settings.process
    return Database("source", settings.src_db, process.job_name, process.connection_lifetime)


def plan(settings: Settings, targets: Targets) -> Plan:
    """What the service needs to run the movers of a config."""
    tasks = tuple(_task(mover, settings.dst_connections, targets) for mover in settings.movers)
    return Plan(tasks, settings.refresh)


def _task(settings: MoverSettings, connections: int, targets: Targets) -> Task:
    def make() -> MovingJob:
        log = logs.logger(settings.process.job_name, settings.source)
        mover = Mover(
            settings.route,
            settings.limits,
            source_database(settings),
            targets.pool(settings, connections),
            log,
            settings.policy,
        )
        return MovingJob(mover, log)

    return Task(settings.source, (settings, connections), settings.process, make)


def registrar(settings: MoverSettings, targets: Targets) -> Registrar:
    """What changes the registration and position of a mover."""
    log = logs.logger(settings.process.job_name, settings.source)
    return Registrar(settings.route, source_database(settings), targets.pool(settings, 1), log)
