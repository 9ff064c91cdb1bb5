"""A mover of a queue that a pattern has found: it ends when the queue is dropped."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event

from queue_mover.config.movers import source_database
from queue_mover.config.queue_lists import QueueLists
from queue_mover.config.settings import MoverSettings
from queue_mover.errors import NotReadyError, StoppingError
from queue_mover.model import Log
from queue_mover.observation.progress import BatchInProgress
from queue_mover.pgq.flavours import has_queue
from queue_mover.postgres.database import Database
from queue_mover.service.job import Job, Step

GONE_INTERVAL = 5.0
"""Seconds between two checks, should the service not end it."""


class FoundQueueJob:
    """Does what another job does, until the source queue is gone."""

    def __init__(
        self,
        job: Job,
        settings: MoverSettings,
        database: Database,
        log: Log,
        lists: QueueLists,
    ) -> None:
        """`database`: the source, which the job uses. `lists`: the queues when last listed."""
        self._job = job
        self._settings = settings
        self._database = database
        self._log = log
        self._lists = lists
        self._is_gone = False

    def prepare(self) -> None:
        """As the job does; without its queue nothing."""
        with self._noticing():
            self._job.prepare()

    def step(self) -> Step:
        """As the job does; without its queue ask for other work. Raises StoppingError where there
        will be none."""
        if not self._is_gone:
            with self._noticing():
                return self._job.step()
        if not self._settings.process.looping:
            raise StoppingError(f'queue "{self._settings.route.queue}" was dropped')
        return Step(worked=False, refresh=True, delay=GONE_INTERVAL)

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Log, instead of the job's error, that its queue is gone."""
        try:
            yield
        except NotReadyError:
            with self._database.session() as connection:
                route = self._settings.route
                if has_queue(connection, route.queue, route.source_flavour):
                    self._is_gone = False
                    raise
            self._log_gone()
        else:
            self._is_gone = False

    def _log_gone(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._log.warning(
                'queue "%s" was dropped from the source: its mover ends; the target keeps the'
                ' position of consumer "%s"',
                self._settings.route.queue,
                self._settings.route.consumer,
            )

    def sleep(self, seconds: float, stopping: Event) -> None:
        """As the job does."""
        self._job.sleep(seconds, stopping)

    def stop(self) -> None:
        """As the job does."""
        self._job.stop()

    def finish(self) -> None:
        """As the job does; nothing if its queue was dropped."""
        if not self._lists.has(source_database(self._settings), self._settings.route.queue):
            # A refresh can notice before the job does.
            self._log_gone()
        if not self._is_gone:
            self._job.finish()

    def close(self) -> None:
        """As the job does."""
        self._job.close()

    def waiting_since(self) -> float | None:
        """As the job says."""
        return self._job.waiting_since()

    def batch(self) -> BatchInProgress | None:
        """As the job does."""
        return self._job.batch()

    def connections(self) -> Mapping[str, int]:
        """As the job does."""
        return self._job.connections()

    def abandon(self) -> None:
        """As the job does."""
        self._job.abandon()
