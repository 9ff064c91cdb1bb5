"""A job that waits for the first queue of a source with a list of them.

The source could not be read in time, or has no such queue yet. Once it has, the config is read
again, and movers replace this job.
"""

import time
from collections.abc import Iterator, Mapping
from threading import Event

from queue_mover.config import queue_names
from queue_mover.config.movers import no_match, source_database
from queue_mover.config.queue_lists import QueueLists
from queue_mover.config.settings import MoverSettings, Settings
from queue_mover.errors import NotReadyError
from queue_mover.model import Log
from queue_mover.observation.progress import BatchInProgress
from queue_mover.service.job import Job, JobSpec, Step
from queue_mover.system import logs

LONGEST_WAIT = 60.0
"""Seconds between two checks, where `refresh` is 0 or longer."""


class QueueFinder:
    """Reads the queues of one source until there is one to move."""

    def __init__(
        self, settings: MoverSettings, refresh: float, lists: QueueLists, log: Log
    ) -> None:
        """`settings`: with the list as its queue; `refresh`: seconds between two checks."""
        self._settings = settings
        self._refresh = min(refresh or LONGEST_WAIT, LONGEST_WAIT)
        self._lists = lists
        self._log = log
        self._logged = ""
        self._reading_since: float | None = None

    def prepare(self) -> None:
        """Nothing: the step reads."""

    def step(self) -> Step:
        """Read the queues. Raises NotReadyError where none will be waited for."""
        self._reading_since = time.monotonic()
        try:
            found = self._lists.read_now(source_database(self._settings))
        finally:
            self._reading_since = None
        names = queue_names.parse(self._settings.route.queue)
        if names is None or names.text in found or names.among(found):
            return Step(worked=False, refresh=True, delay=self._refresh)
        why = no_match(names, found)
        if not self._settings.process.looping:
            raise NotReadyError(why)
        if self._logged != why:
            self._logged = why
            self._log.warning("%s; checked again every %g s", why, self._refresh)
        return Step(worked=False, delay=self._refresh)

    def sleep(self, seconds: float, stopping: Event) -> None:
        """No longer and no less."""
        stopping.wait(seconds)

    def stop(self) -> None:
        """Nothing: a wait between two steps is ended by the service."""

    def finish(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing: each step has a connection of its own."""

    def waiting_since(self) -> float | None:
        """Since when it waits for the source."""
        return self._reading_since

    def batch(self) -> BatchInProgress | None:
        """None: it moves nothing."""
        return None

    def connections(self) -> Mapping[str, int]:
        """One while it reads."""
        return {"source": int(self._reading_since is not None)}

    def abandon(self) -> None:
        """Nothing: it reads only."""


def waiting_specs(settings: Settings, lists: QueueLists) -> Iterator[JobSpec]:
    """The jobs that wait for the queues of sources."""
    for each in settings.waiting.values():
        yield _spec(each, settings.refresh, lists)


def _spec(each: MoverSettings, refresh: float, lists: QueueLists) -> JobSpec:
    def make() -> Job:
        log = logs.logger(each.process.job_name, each.source)
        return QueueFinder(each, refresh, lists, log)

    return JobSpec(each.source, (each, "waiting"), each.process, make, log_idle=False)
