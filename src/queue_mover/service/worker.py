"""One job in one thread: step, sleep, step; errors retried with patience."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from queue_mover.errors import (
    BadEventError,
    ConfigError,
    LostPositionError,
    NotReadyError,
    OperatorError,
    StoppingError,
    UnavailableError,
    UnlockedMoverError,
)
from queue_mover.service.backoff import Backoff
from queue_mover.service.job import Job, JobSpec, Step
from queue_mover.service.outages import Outages
from queue_mover.service.record import Record
from queue_mover.service.statistics import Statistics
from queue_mover.system import logs
from queue_mover.system.signals import start_thread

POLL = 1.0
"""Seconds between looks at work that somebody else is doing, where loop_delay is 0."""


class WorkerState(Enum):
    """What a worker tells its supervisor."""

    RUNNING = "running"
    """It is ready for its first step, or has failed in a way that is worth a retry."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """A worker's news."""

    worker: "Worker"
    state: WorkerState
    lacking: str = ""
    """What a server lacks, where that has ended it."""


@dataclass(slots=True)
class Progress:
    """What a worker has done since its start; written by its thread, read by the supervisor."""

    batches: int = 0
    events: int = 0
    failing: bool = False


def is_fatal(error: Exception, *, looping: bool, worked_before: bool) -> bool:
    """Whether an error ends the worker. What a server lacks at the start, a person must bring,
    who is told at the terminal; later it has been taken away, and may come back. Where others
    work, the supervisor begins anew a worker that lacked something."""
    if not looping or isinstance(
        error,
        LostPositionError | UnlockedMoverError | BadEventError | ConfigError | MemoryError,
    ):
        return True
    return isinstance(error, NotReadyError) and not worked_before


def is_quiet(error: BaseException, names: tuple[str, ...]) -> bool:
    """Whether `exception_quiet` names the error, its cause, or a class they derive from."""
    if "ALL" in names:
        return True
    classes = {cls.__name__ for cls in type(error).__mro__}
    if error.__cause__ is not None:
        classes |= {cls.__name__ for cls in type(error.__cause__).__mro__}
    return not classes.isdisjoint(names)


def pause(step: Step, loop_delay: float) -> float | None:
    """Seconds to sleep after a step; None: it was the last one."""
    if step.again_in:
        return step.again_in
    if loop_delay < 0:
        return None
    if step.worked:
        return 0
    if step.waits:
        return loop_delay or POLL
    return loop_delay or None


class Worker:
    """Runs a job in a thread of its own until stopped, drained or fatally failed."""

    def __init__(
        self,
        spec: JobSpec,
        report: Callable[[WorkerReport], None],
        outages: Outages,
        *,
        patient: bool = False,
        lacking: str = "",
        record: Record | None = None,
    ) -> None:
        """A patient worker retries from the start what a server lacks.
        `outages`: of the databases that it shares with other workers.
        `lacking`: what a server lacks, where the log has it already.
        `record`: where the source's work is counted across workers."""
        self.spec = spec
        self._outages = outages
        self._error: Exception | None = None
        self._report = report
        self._log = logs.logger(spec.process.job_name, spec.source)
        self._job: Job = spec.make()
        self._record = record or Record()
        self._record.begin(self._job)
        self._stopping = threading.Event()
        self._stopped_at = 0.0
        self._abandoned = False
        self._began = 0.0
        self._told_failure = bool(lacking)
        self._worked_before = patient
        self._told_running = False
        self._failing_since = time.monotonic() if lacking else None
        self.progress = Progress()
        process = spec.process
        self._backoff = Backoff(
            process.exception_sleep, process.exception_grace, process.exception_reset
        )
        if lacking:
            self._backoff.failed(time.monotonic(), lacking)
            self.progress.failing = True
        self._statistics = Statistics(process.keepalive_stats, time.monotonic())
        # A stuck thread must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=spec.source or None, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether it has been told to stop."""
        return self._stopping.is_set()

    @property
    def error(self) -> str:
        """Why it has failed; "" where it has not."""
        return str(self._error or "")

    def unanswered(self, now: float) -> float:
        """Seconds that a server has owed it an answer since it was told to stop."""
        since = self._job.waiting_since()
        if not self.stopping or since is None:
            return 0.0
        return now - max(since, self._stopped_at)

    def start(self) -> None:
        """Begin to work. Where the system has no more threads, that is its failure alone."""
        try:
            start_thread(self._thread)
        except OperatorError as error:
            self._error = error
            self._log.error("%s", error)
            self._record.end(error)
            self._job.close()
            self._report(WorkerReport(self, WorkerState.FAILED))

    def stop(self) -> None:
        """Let the running step end, wake up from any sleep, and finish."""
        if not self.stopping:
            self._stopped_at = time.monotonic()
        self._stopping.set()
        self._job.stop()

    def abandon(self) -> None:
        """Fail the running step now; the servers roll back."""
        self._abandoned = True
        self._stopping.set()
        self._job.abandon()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, for so many seconds at most."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        state, lacking = WorkerState.FAILED, ""
        try:
            self._loop()
            self._job.finish()
            state = WorkerState.DONE
        except OperatorError as error:
            self._error = error
            self._log.error("%s", error)
            if isinstance(error, NotReadyError) and self.spec.process.looping:
                lacking = str(error)
        except Exception as error:
            self._error = error
            self._tell_end(error)
        finally:
            self._record.end(None if self.stopping else self._error)
            self._outages.leave(self.spec.target, self)
            try:
                self._job.close()
            finally:
                self._report(WorkerReport(self, state, lacking))

    def _tell_end(self, error: Exception) -> None:
        if self._abandoned:
            self._log.info("batch abandoned; it will be replayed")
        elif isinstance(error, UnavailableError):
            self._log.error("%s", error)
        else:
            self._log.exception("Job %s crashed: %s", self.spec.process.job_name, error)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            seconds = self._round()
            if seconds is None:
                return
            if seconds:
                self._stopping.wait(seconds)

    def _round(self) -> float | None:
        """One step. Returns how long to sleep now, in seconds; None: no more rounds."""
        process = self.spec.process
        self._began = time.monotonic()
        values = self._statistics.begin(self._began, self._failing_since)
        if self.spec.idle_lines or "failing" in values:
            self._write(values)
        try:
            self._job.prepare()
            self._tell_running()
            step = self._job.step()
        except StoppingError as error:
            if self._abandoned:
                raise
            self._error = error
            return None
        except Exception as error:
            if self._abandoned or is_fatal(
                error, looping=process.looping, worked_before=self._worked_before
            ):
                raise
            seconds = self._failed(error)
            # Only now: a daemon's terminal is to see the error.
            self._tell_running()
            return seconds
        self._worked_before = True
        self._record.succeeded(step, time.monotonic() - self._began)
        self.progress.failing = False
        self._failing_since = None
        if self._backoff.succeeded(time.monotonic()):
            self._tell_recovery()
        if step.count is not None:
            self.progress.batches += 1
            self.progress.events += step.count
            now = time.monotonic()
            self._write(self._statistics.batch(now, step.count, step.quarantined))
        return pause(step, process.loop_delay)

    def _tell_recovery(self) -> None:
        """Each trouble that was told ends with a line; that of a shared target with one for all."""
        if self._outages.recovered(self.spec.target, self):
            log = logs.logger(self.spec.process.job_name, "")
            log.info("target database available again (%s)", self.spec.target)
        if self._told_failure:
            self._told_failure = False
            self._log.info("recovered: working again")

    def _failed(self, error: Exception) -> float:
        process = self.spec.process
        now = time.monotonic()
        self.progress.failing = True
        self._record.failed(error)
        self._failing_since = self._failing_since or now
        away = isinstance(error, UnavailableError)
        # An outage has many words: terminating, refused, starting up.
        what = f"{error.place}: {error.kind}" if isinstance(error, UnavailableError) else str(error)
        news = self._backoff.failed(now, what)
        shared = away and self.spec.target and what.startswith("target database")
        if shared:
            log = logs.logger(process.job_name, "")
            news = self._outages.failed(self.spec.target, self, what, began=self._began)
            words = f"{error} ({self.spec.target})"
        else:
            log, words = self._log, str(error)
            self._told_failure = self._told_failure or news
        if not news:
            self._log.debug("still failing: %s", error)
        elif isinstance(error, UnavailableError | OperatorError):
            log.error("%s; retrying, up to every %g s", words, self._backoff.longest_wait)
        elif is_quiet(error, process.exception_quiet) and self._backoff.in_grace(now):
            log.warning("Job %s crashed: %s", process.job_name, error)
        else:
            log.exception("Job %s crashed: %s", process.job_name, error)
        return self._backoff.wait()

    def _tell_running(self) -> None:
        if not self._told_running:
            self._told_running = True
            self._report(WorkerReport(self, WorkerState.RUNNING))

    def _write(self, values: dict[str, object]) -> None:
        if values and self.spec.source:
            values["source"] = self.spec.source
        if values:
            # Without the source's name in front: collectors know the line by its brace.
            logs.logger(self.spec.process.job_name, "").info("%s", logs.statistics(values))
