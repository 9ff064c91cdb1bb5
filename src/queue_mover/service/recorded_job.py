"""A mover whose errors are recorded for the status."""

from collections.abc import Mapping
from threading import Event

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import StoppingError
from queue_mover.observation.progress import BatchInProgress
from queue_mover.service.error_record import ErrorRecord
from queue_mover.service.job import Job, Step

LAST_WAIT = 1.0
"""Seconds that a mover which ends by itself waits for its last error to be recorded."""


class RecordedJob:
    """Does what another job does, and records its errors."""

    def __init__(self, job: Job, mover: MoverSettings, record: ErrorRecord) -> None:
        self._job = job
        self._mover = mover
        self._record = record
        self._failing = False
        self._stopping = False

    def prepare(self) -> None:
        """As the job does."""
        try:
            self._job.prepare()
        except Exception as error:
            self._failed(error)
            raise

    def step(self) -> Step:
        """As the job does."""
        try:
            step = self._job.step()
        except Exception as error:
            self._failed(error)
            raise
        if self._failing:
            self._failing = False
            self._record.recovered(self._mover)
        return step

    def _failed(self, error: Exception) -> None:
        if not (self._stopping or isinstance(error, StoppingError)):
            self._failing = True
            self._record.failed(self._mover, error)

    def sleep(self, seconds: float, stopping: Event) -> None:
        """As the job does."""
        self._job.sleep(seconds, stopping)

    def stop(self) -> None:
        """As the job does."""
        self._stopping = True
        self._job.stop()

    def finish(self) -> None:
        """As the job does."""
        self._job.finish()

    def batch(self) -> BatchInProgress | None:
        """As the job does."""
        return self._job.batch()

    def connections(self) -> Mapping[str, int]:
        """As the job does."""
        return self._job.connections()

    def close(self) -> None:
        """As the job does."""
        self._job.close()
        if self._failing and not self._stopping:
            # The process may end with it.
            self._record.settle(LAST_WAIT)

    def waiting_since(self) -> float | None:
        """As the job says."""
        return self._job.waiting_since()

    def abandon(self) -> None:
        """As the job does."""
        self._stopping = True
        self._job.abandon()
