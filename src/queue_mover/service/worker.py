"""One job in one thread: step, sleep, step; errors retried with patience."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from queue_mover.errors import NotReadyError, OperatorError, StoppingError, UnavailableError
from queue_mover.service.backoff import Backoff
from queue_mover.service.decisions import is_fatal, is_quiet, pause
from queue_mover.service.job import Job, JobSpec
from queue_mover.service.outages import Outages
from queue_mover.service.record import Record
from queue_mover.service.statistics import Statistics
from queue_mover.system import logs
from queue_mover.system.signals import start_thread
from queue_mover.system.statistics_line import statistics_line


class WorkerState(Enum):
    """What a worker reports to its supervisor."""

    RUNNING = "running"
    """It is ready for its first step, or retries after an error."""
    REFRESH = "refresh"
    """It runs on, and has found that the config has other sources now."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """A change of a worker's state."""

    worker: "Worker"
    state: WorkerState
    not_ready: str = ""
    """The message of the NotReadyError that ended it, if one did."""


@dataclass(slots=True)
class Progress:
    """What a worker has done since its start; written by its thread, read by the supervisor."""

    batches: int = 0
    events: int = 0
    failing: bool = False


class Worker:
    """Runs a job in a thread of its own until stopped, drained or fatally failed."""

    def __init__(
        self,
        spec: JobSpec,
        report: Callable[[WorkerReport], None],
        outages: Outages,
        *,
        patient: bool = False,
        not_ready: str = "",
        record: Record | None = None,
    ) -> None:
        """`outages`: of the databases that it shares with other workers.
        `patient`: retry from the start when a server is not ready.
        `not_ready`: message of the NotReadyError that is already in the log.
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
        self._logged_failure = bool(not_ready)
        self._worked_before = patient
        self._reported_running = False
        self._failing_since = time.monotonic() if not_ready else None
        self.progress = Progress()
        process = spec.process
        self._backoff = Backoff(
            process.exception_sleep, process.exception_grace, process.exception_reset
        )
        if not_ready:
            self._backoff.failed(time.monotonic(), not_ready)
            self.progress.failing = True
        self._statistics = Statistics(process.keepalive_stats, time.monotonic())
        # A stuck thread must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=spec.source or None, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    @property
    def error(self) -> str:
        """Why it has failed; "" if it has not."""
        return str(self._error or "")

    def unanswered(self, now: float) -> float:
        """Seconds that it has waited for a server since it was asked to stop."""
        since = self._job.waiting_since()
        if not self.stopping or since is None:
            return 0.0
        return now - max(since, self._stopped_at)

    def waiting_since(self) -> float | None:
        """Since when, on the monotonic clock, it waits for a server."""
        return self._job.waiting_since()

    def start(self) -> None:
        """Start the thread. If the system has no more threads, only this worker fails."""
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
        """Make the running step fail now; the servers roll back."""
        self._abandoned = True
        self._stopping.set()
        self._job.abandon()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end, for at most `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        state, not_ready = WorkerState.FAILED, ""
        try:
            self._loop()
            self._job.finish()
            state = WorkerState.DONE
        except OperatorError as error:
            self._error = error
            self._log.error("%s", error)
            if isinstance(error, NotReadyError) and self.spec.process.looping:
                not_ready = str(error)
        except Exception as error:
            self._error = error
            self._log_end(error)
        finally:
            self._record.end(None if self.stopping else self._error)
            self._outages.forget(self.spec.target, self)
            try:
                self._job.close()
            finally:
                self._report(WorkerReport(self, state, not_ready))

    def _log_end(self, error: Exception) -> None:
        if self._abandoned:
            self._log.info("batch abandoned; it will be replayed")
        elif isinstance(error, UnavailableError):
            self._log.error("%s", error)
        else:
            self._log.exception("Job %s crashed: %s", self.spec.process.job_name, error)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            seconds = self._run_step()
            if seconds is None:
                return
            if seconds:
                self._job.sleep(seconds, self._stopping)

    def _run_step(self) -> float | None:
        """Run one step. Returns how long to sleep after it, in seconds; None: it was the last."""
        process = self.spec.process
        self._began = time.monotonic()
        values = self._statistics.begin(self._began, self._failing_since)
        if self.spec.log_idle or "failing" in values:
            self._log_statistics(values)
        try:
            self._job.prepare()
            self._report_running()
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
            # Only now: the error must still reach a daemon's terminal.
            self._report_running()
            return seconds
        self._worked_before = True
        self._record.succeeded(step, time.monotonic() - self._began)
        self.progress.failing = False
        self._failing_since = None
        if self._backoff.succeeded(time.monotonic()):
            self._log_recovery()
        if step.refresh:
            self._report(WorkerReport(self, WorkerState.REFRESH))
        if step.count is not None:
            self.progress.batches += 1
            self.progress.events += step.count
            now = time.monotonic()
            self._log_statistics(self._statistics.batch(now, step.count, step.quarantined))
        return pause(step, process.loop_delay)

    def _log_recovery(self) -> None:
        """Log the end of each logged failure; that of a shared target once for all."""
        if self._outages.recovered(self.spec.target, self):
            log = logs.logger(self.spec.process.job_name, "")
            log.info("target database available again (%s)", self.spec.target)
        if self._logged_failure:
            self._logged_failure = False
            self._log.info("recovered: working again")

    def _failed(self, error: Exception) -> float:
        process = self.spec.process
        now = time.monotonic()
        self.progress.failing = True
        self._record.failed(error)
        self._failing_since = self._failing_since or now
        unavailable = isinstance(error, UnavailableError)
        # One outage has many messages: terminating, refused, starting up.
        what = f"{error.place}: {error.kind}" if isinstance(error, UnavailableError) else str(error)
        news = self._backoff.failed(now, what)
        shared = unavailable and self.spec.target and what.startswith("target database")
        if shared:
            log = logs.logger(process.job_name, "")
            news = self._outages.failed(self.spec.target, self, what, began=self._began)
            place = f" ({self.spec.target})"
            words = f"{error}{'' if str(error).endswith(place) else place}"
        else:
            log, words = self._log, str(error)
            self._logged_failure = self._logged_failure or news
        if not news:
            self._log.debug("still failing: %s", error)
        elif isinstance(error, UnavailableError | OperatorError):
            log.error("%s; retrying at intervals of up to %g s", words, self._backoff.longest_wait)
        elif is_quiet(error, process.exception_quiet) and self._backoff.in_grace(now):
            log.warning("Job %s crashed: %s", process.job_name, error)
        else:
            log.exception("Job %s crashed: %s", process.job_name, error)
        return self._backoff.wait()

    def _report_running(self) -> None:
        if not self._reported_running:
            self._reported_running = True
            self._report(WorkerReport(self, WorkerState.RUNNING))

    def _log_statistics(self, values: dict[str, object]) -> None:
        if values and self.spec.source:
            values["source"] = self.spec.source
        if values:
            # Without the source as prefix: collectors recognise the line by its brace.
            logs.logger(self.spec.process.job_name, "").info("%s", statistics_line(values))
