"""Counts what each source does while it runs, for HTTP and the terminal."""

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
"""The most different errors that are kept for a source."""

_KINDS: tuple[tuple[type[Exception], ErrorKind], ...] = (
    (LostPositionError, ErrorKind.LOST_POSITION),
    (UnlockedMoverError, ErrorKind.UNLOCKED_MOVER),
    (BadEventError, ErrorKind.BAD_EVENT),
    (ConfigError, ErrorKind.CONFIG),
    (NotReadyError, ErrorKind.NOT_READY),
    (StatementError, ErrorKind.STATEMENT),
)


def kind_of(error: Exception) -> ErrorKind:
    """The kind of an error."""
    if isinstance(error, UnavailableError):
        return ErrorKind.TARGET if error.place.startswith("target") else ErrorKind.SOURCE
    return next((kind for cls, kind in _KINDS if isinstance(error, cls)), ErrorKind.OTHER)


class Record:
    """The counts of one source: written by its worker's thread, read by any; outlive the worker."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._job: Job | None = None
        self._now = MoverSnapshot("", State.STARTING)
        self._counts: list[int] = []
        self._errors: dict[ErrorKind, int] = {}
        self._recent: deque[ErrorSeen] | None = None
        self._rates = History()

    def begin(self, job: Job) -> None:
        """A worker starts with this job."""
        with self._lock:
            self._job = job
            self._now = replace(self._now, state=State.STARTING)

    def succeeded(self, step: Step, seconds: float) -> None:
        """A step has ended without an error, after so many seconds."""
        now = time.time()
        state = State.STANDBY if step.standby else State.RUNNING if step.worked else State.IDLE
        with self._lock:
            if step.count is None:
                self._now = replace(self._now, state=state, last_success=now)
                return
            self._counts = self._counts or [0] * (len(BATCH_SECONDS) + 1)
            self._counts[bisect_left(BATCH_SECONDS, seconds)] += 1
            self._rates.add(time.monotonic(), step.count)
            before = self._now
            self._now = replace(
                before,
                state=state,
                last_success=now,
                events=before.events + step.count,
                size=before.size + step.size,
                span=before.span + step.span,
                reached=step.end_time,
                batches=before.batches + 1,
                batch_seconds=before.batch_seconds + seconds,
                last_batch=BatchSeen(step.count, seconds, now),
                quarantined=before.quarantined + step.quarantined,
            )

    def failed(self, error: Exception) -> None:
        """A step has failed, and will be tried again."""
        with self._lock:
            self._note(error)
            self._now = replace(self._now, state=State.FAILING)

    def end(self, error: Exception | None) -> None:
        """The worker has ended; None: it was stopped, or had nothing left to do."""
        with self._lock:
            if error is not None:
                self._note(error)
            self._job = None
            self._now = replace(self._now, state=State.STOPPED)

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
        """The state of the source now."""
        now = time.monotonic()
        with self._lock:
            taken = replace(
                self._now,
                source=source,
                batch_counts=tuple(self._counts),
                errors=dict(self._errors),
                last_errors=tuple(self._recent or ()),
                rates=self._rates.values(now),
            )
            job = self._job
        if job is None:
            return taken
        since, batch = job.waiting_since(), job.batch()
        if batch and taken.state in (State.STARTING, State.IDLE):
            # That is the result of the step before: a large batch takes long.
            taken = replace(taken, state=State.RUNNING)
        return replace(
            taken,
            batch=batch,
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
        """The state of the process now, for any thread. `refused`: sources whose settings cannot
        be used, and why."""
        records = dict(self._records)
        movers = [each.snapshot(name or self._job) for name, each in records.items()]
        for name, why in dict(refused).items():
            if name not in records:
                text, _, remedy = why.partition(REMEDY)
                seen = ErrorSeen(ErrorKind.CONFIG, text, remedy, self._started)
                movers.append(MoverSnapshot(name, State.STOPPED, last_errors=(seen,)))
        return ProcessSnapshot(self._job, self._started, planned, tuple(movers))
