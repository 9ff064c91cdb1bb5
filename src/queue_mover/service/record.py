"""Counts what each source does, for whoever wants to see it while it runs."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from threading import Lock

from queue_mover.errors import (
    BadEventError,
    ConfigError,
    LostPositionError,
    NotReadyError,
    StatementError,
    StoppingError,
    UnavailableError,
    UnlockedMoverError,
)
from queue_mover.observation.findings import REMEDY
from queue_mover.observation.history import History
from queue_mover.observation.progress import (
    BATCH_SECONDS,
    BatchSeen,
    ErrorKind,
    ErrorSeen,
    MoverSnapshot,
    ProcessSnapshot,
    State,
)
from queue_mover.service.job import Job, Step

ERRORS_KEPT = 3
"""Different errors remembered of a source."""

_KINDS: tuple[tuple[type[Exception], ErrorKind], ...] = (
    (LostPositionError, ErrorKind.LOST_POSITION),
    (UnlockedMoverError, ErrorKind.UNLOCKED_MOVER),
    (BadEventError, ErrorKind.BAD_EVENT),
    (ConfigError, ErrorKind.CONFIG),
    (NotReadyError, ErrorKind.NOT_READY),
    (StatementError, ErrorKind.STATEMENT),
)


def kind_of(error: Exception) -> ErrorKind:
    """Which of the few kinds an error is."""
    if isinstance(error, UnavailableError):
        return ErrorKind.TARGET if error.place.startswith("target") else ErrorKind.SOURCE
    return next((kind for cls, kind in _KINDS if isinstance(error, cls)), ErrorKind.OTHER)


class Record:
    """One source: written by the thread of its worker, read by any; outlives the worker."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._job: Job | None = None
        self._state = State.STARTING
        self._events = self._size = self._batches = self._quarantined = 0
        self._seconds = 0.0
        self._last_batch: tuple[int, float, float] | None = None
        self._last_success: float | None = None
        self._counts: list[int] = []
        self._errors: dict[ErrorKind, int] = {}
        self._recent: deque[ErrorSeen] | None = None
        self._rates = History()

    def begin(self, job: Job) -> None:
        """A worker begins."""
        with self._lock:
            self._job, self._state = job, State.STARTING

    def succeeded(self, step: Step, seconds: float) -> None:
        """A step has ended without an error, after so many seconds."""
        now = time.time()
        with self._lock:
            self._state = (
                State.STANDBY if step.waits else State.RUNNING if step.worked else State.IDLE
            )
            self._last_success = now
            if step.count is None:
                return
            self._events += step.count
            self._size += step.size
            self._batches += 1
            self._quarantined += step.quarantined
            self._seconds += seconds
            self._last_batch = (step.count, seconds, now)
            self._counts = self._counts or [0] * (len(BATCH_SECONDS) + 1)
            self._counts[bisect_left(BATCH_SECONDS, seconds)] += 1
            self._rates.add(time.monotonic(), step.count)

    def failed(self, error: Exception) -> None:
        """A step has failed, and will be tried again."""
        with self._lock:
            self._note(error)
            self._state = State.FAILING

    def end(self, error: Exception | None) -> None:
        """The worker has ended; None: it was told to, or had nothing left to do."""
        with self._lock:
            if error is not None:
                self._note(error)
            self._job, self._state = None, State.STOPPED

    def _note(self, error: Exception) -> None:
        kind = kind_of(error)
        if not isinstance(error, StoppingError):
            self._errors[kind] = self._errors.get(kind, 0) + 1
        text, _, remedy = (str(error) or type(error).__name__).partition(REMEDY)
        self._recent = self._recent or deque(maxlen=ERRORS_KEPT)
        seen = ErrorSeen(kind, text, remedy, time.time())
        for known in self._recent:
            if (known.text, known.remedy) == (text, remedy):
                self._recent.remove(known)
                seen = replace(seen, times=known.times + 1)
                break
        self._recent.appendleft(seen)

    def snapshot(self, source: str) -> MoverSnapshot:
        """What is known now."""
        now = time.monotonic()
        with self._lock:
            taken = MoverSnapshot(
                source,
                self._state,
                self._events,
                self._size,
                self._batches,
                self._seconds,
                tuple(self._counts),
                BatchSeen(*self._last_batch) if self._last_batch else None,
                self._last_success,
                dict(self._errors),
                tuple(self._recent or ()),
                self._quarantined,
                rates=self._rates.values(now),
            )
            job = self._job
        if job is None:
            return taken
        since = job.waiting_since()
        return replace(
            taken,
            unanswered=0.0 if since is None else max(0.0, now - since),
            connections=job.connections(),
        )


class Records:
    """All sources of a process. Changed by the main thread alone, read by any."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._started = time.time()
        self._records: dict[str, Record] = {}

    def of(self, source: str) -> Record:
        """The record of a source."""
        return self._records.setdefault(source, Record())

    def keep(self, sources: Iterable[str]) -> None:
        """Forget all others: they have left the config."""
        kept = set(sources)
        self._records = {name: each for name, each in self._records.items() if name in kept}

    def snapshot(self, refused: Mapping[str, str], *, planned: bool) -> ProcessSnapshot:
        """From another thread: what is known now. `refused`: sources that cannot be run as they
        are written, and why."""
        records = dict(self._records)
        movers = [each.snapshot(name or self._job) for name, each in records.items()]
        for name, why in dict(refused).items():
            if name not in records:
                text, _, remedy = why.partition(REMEDY)
                seen = ErrorSeen(ErrorKind.CONFIG, text, remedy, self._started)
                movers.append(MoverSnapshot(name, State.STOPPED, last_errors=(seen,)))
        return ProcessSnapshot(self._job, self._started, planned, tuple(movers))
