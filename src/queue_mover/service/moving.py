"""A mover as a job of the service."""

import logging
import time

from queue_mover.config.settings import MoverSettings, ProcessSettings
from queue_mover.db import Database
from queue_mover.model import Outcome, Result
from queue_mover.mover import Mover
from queue_mover.service.job import Step, Task

REMINDER = 60.0
"""Seconds between log lines while another mover holds the lock."""


class MovingJob:
    """Moves one source queue, a batch a step."""

    def __init__(self, mover: Mover, log: logging.Logger) -> None:
        self._mover = mover
        self._log = log
        self._reminded = float("-inf")

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
        return Step(worked=True, count=outcome.count)

    def _tell_busy(self, outcome: Outcome) -> None:
        now = time.monotonic()
        if now - self._reminded >= REMINDER:
            self._reminded = now
            self._log.info("standing by: the consumer's lock is held by %s", outcome.holder)

    def finish(self) -> None:
        """Tell the source about the last batch."""
        self._mover.finish()

    def close(self) -> None:
        """Close both connections."""
        self._mover.close()

    def abandon(self) -> None:
        """Cut both connections."""
        self._mover.abandon()


def databases(mover: MoverSettings, process: ProcessSettings) -> tuple[Database, Database]:
    """The two sides of a mover, not connected yet."""
    name, lifetime = process.job_name, process.connection_lifetime
    return (
        Database("source", mover.src_db, name, lifetime),
        Database("target", mover.dst_db, name, lifetime),
    )


def task(settings: MoverSettings, process: ProcessSettings) -> Task:
    """What the service needs to run a mover."""

    def make() -> MovingJob:
        log = logging.getLogger(process.job_name)
        source, target = databases(settings, process)
        mover = Mover(
            settings.route,
            settings.limits,
            source,
            target,
            log,
            auto_register=settings.auto_register,
            quarantines=settings.on_bad_event == "quarantine",
        )
        return MovingJob(mover, log)

    return Task(process.job_name, settings, process, make)
