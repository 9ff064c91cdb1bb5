"""The main thread: handles signals, reads the config, and logs how it ended."""

import logging
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from signal import SIGHUP, SIGINT, SIGTERM, Signals

from queue_mover.config.settings import ProcessSettings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.observation.progress import ProcessSnapshot
from queue_mover.service.backoff import Backoff
from queue_mover.service.config_reader import ConfigReader, Loaded
from queue_mover.service.job import Plan
from queue_mover.service.process_log import ProcessLog
from queue_mover.service.record import Records
from queue_mover.service.service_manager import ServiceManager
from queue_mover.service.timer import Timer
from queue_mover.service.worker import WorkerReport, WorkerState
from queue_mover.service.worker_set import WorkerSet
from queue_mover.system.limits import require_files
from queue_mover.system.notify import Notifier

EXIT_TERMINATED = 128 + SIGTERM

DOUBLE = 1.0
"""Seconds within which a second INT abandons the batch."""

PATIENCE = 10.0
"""Seconds between reminders of what a stop waits for."""

SUMMARY = 60.0
"""Seconds between summary lines of a process with many sources."""


class Supervisor:
    """Runs jobs until they end or a signal ends them."""

    def __init__(
        self,
        program: str,
        load: Callable[[bool], Plan],
        settings: ProcessSettings,
        log: logging.Logger,
        *,
        notes: Sequence[str] = (),
        running: Callable[[], None] = lambda: None,
        notifier: Notifier | None = None,
    ) -> None:
        """`program`: name and version. `load` reads the config; True: on HUP. `notes`: warnings
        about the start. `running` is called when all jobs have started or wait for a retry.
        `notifier`: to the service manager, if there is one."""
        self._settings = settings
        self._log = log
        self._process_log = ProcessLog(log, program, settings.job_name)
        self._notes = notes
        self._running = running
        self._inbox: SimpleQueue[Signals | WorkerReport | Loaded] = SimpleQueue()
        self._reader = ConfigReader(load, self._inbox.put)
        self._planned = False
        self._first = Backoff(settings.exception_sleep, 0, 0)
        self._records = Records(settings.job_name)
        self._workers = WorkerSet(
            self._inbox.put, self._process_log, self._records, self._report_running
        )
        self._manager = ServiceManager(notifier or Notifier(), self._workers.describe)
        self._stopping = False
        self._interrupted = float("-inf")
        self._refresh = Timer(0, lambda: self._reader.read(fresh=False))
        self._timers = [
            Timer(SUMMARY, lambda: self._workers.log_summary(SUMMARY)),
            Timer(PATIENCE, self._workers.log_waiting),
            self._refresh,
            self._workers.stalls_timer,
            self._workers.waits_timer,
            *self._manager.timers,
        ]
        self._reason = ""

    def notify(self, number: Signals) -> None:
        """Pass a signal to `run`. May be called from a signal handler."""
        self._inbox.put(number)

    def snapshot(self) -> ProcessSnapshot:
        """From any thread: what the sources have done, and what they are doing."""
        return self._records.snapshot(self._workers.refused, planned=self._planned)

    def run(self, plan: Plan | None = None) -> int:
        """Run the jobs of a plan; without one, of the config. Returns the exit code.

        Raises the error of the first read of the config, unless it is retried.
        """
        if plan:
            # Behind the signals that came first.
            self._inbox.put(Loaded(plan, fresh=False))
        else:
            self._reader.read(fresh=False)
        try:
            code = self._serve()
        except Exception as error:
            if not self._process_log.begun:
                raise
            if isinstance(error, OperatorError | UnavailableError):
                self._log.error("%s", error)
            else:
                self._log.exception("Job %s crashed: %s", self._settings.job_name, error)
            code, self._reason = 1, str(error) or type(error).__name__
        self._manager.stopping()
        reason = self._reason or self._workers.reason or "nothing left to do"
        self._process_log.end(code, reason)
        return code

    def _serve(self) -> int:
        """Handle messages until there is nothing to wait for. Returns the exit code."""
        while self._workers or not (self._planned or self._stopping):
            message = self._await_message()
            if isinstance(message, Signals):
                code = self._handle_signal(message)
                if code is not None:
                    return code
            elif isinstance(message, WorkerReport):
                self._workers.handle(message)
                self._manager.changed()
                if message.state is WorkerState.REFRESH and not self._stopping:
                    self._reader.read(fresh=False)
            elif isinstance(message, Loaded):
                self._handle_config(message)
        if self._stopping:
            if self._workers.stalled:
                self._reason += ", and a server did not answer"
            return 1 if self._workers.stalled else 0
        failed = self._workers.failed
        if any(failed):
            self._reason = f"failed: {', '.join(failed)}: {self._workers.reason}"
        return 1 if failed else 0

    def _await_message(self) -> Signals | WorkerReport | Loaded | None:
        now = time.monotonic()
        due = min(timer.due_in(now) for timer in self._timers)
        if due > 0:
            try:
                return self._inbox.get(timeout=None if due == float("inf") else due)
            except Empty:
                pass
        # Also while messages are waiting: a busy loop is no dead one.
        for timer in self._timers:
            timer.ring(time.monotonic())
        return None

    # Signals, and the end

    def _handle_signal(self, number: Signals) -> int | None:
        """Handle a signal. Returns an exit code to exit at once."""
        if number != SIGHUP:
            self._process_log.begin()
            self._manager.stopping()
        if number == SIGTERM:
            self._log.info("got SIGTERM: rolling back and exiting")
            self._reason = "stopped by SIGTERM"
            self._workers.abandon()
            return EXIT_TERMINATED
        if number == SIGHUP and not self._stopping:
            self._manager.reloading()
            self._reader.read(fresh=True)
        if number == SIGINT:
            now = time.monotonic()
            if now - self._interrupted < DOUBLE:
                self._log.warning("Double ^C, fast exit")
                self._reason = "stopped by SIGINT twice"
                self._workers.abandon()
                return 1
            self._interrupted = now
            self._stopping, self._reason = True, "stopped by SIGINT"
            self._workers.stop()
        return None

    # The config

    def _handle_config(self, loaded: Loaded) -> None:
        """Apply a changed config between batches; keep the running one if it is bad."""
        plan = loaded.plan
        if isinstance(plan, Plan):
            try:
                require_files(plan.files, plan.title)
            except OperatorError as error:
                plan = error
        if self._stopping:
            return
        if isinstance(plan, Plan):
            self._process_log.begin(plan.title)
            if loaded.fresh and self._planned:
                self._log.info("Config reloaded")
            if loaded.fresh or not self._planned:
                for warning in (*self._notes, *plan.warnings):
                    self._log.warning("%s", warning)
                self._notes = ()
            self._apply(plan, fresh=loaded.fresh)
        elif self._planned:
            self._log_rejected(plan, fresh=loaded.fresh)
        else:
            self._retry_later(plan)
        if loaded.fresh:
            self._manager.reloaded(rejected=not isinstance(plan, Plan))
        self._reader.done()

    def _log_rejected(self, error: Exception, *, fresh: bool) -> None:
        what = "Config not reloaded" if fresh else "Sources not refreshed"
        running = "keeping the running one" if fresh else "keeping the running ones"
        ours = isinstance(error, OperatorError | UnavailableError)
        self._log.error("%s, %s: %s", what, running, error, exc_info=None if ours else error)

    def _retry_later(self, error: Exception) -> None:
        """The catalogue may be unavailable at the start, as any server may: retry."""
        if not isinstance(error, UnavailableError) or not self._settings.looping:
            raise error
        self._process_log.begin()
        if self._first.failed(time.monotonic(), f"{error.place}: {error.kind}"):
            self._log.error(
                "%s; retrying at intervals of up to %g s", error, self._settings.exception_sleep
            )
        self._refresh.restart(max(self._first.wait(), 0.1))
        self._report_running()

    def _apply(self, plan: Plan, *, fresh: bool) -> None:
        self._refresh.restart(plan.refresh)
        plan.adopted()
        self._workers.refuse(plan.refused, fresh=fresh)
        if self._planned:
            self._workers.update(plan, fresh=fresh)
            return
        self._planned = True
        if self._first.succeeded(time.monotonic()):
            self._log.info("recovered: %s", plan.title)
        self._workers.start(plan)

    def _report_running(self) -> None:
        self._manager.running()
        self._running()
        self._running = lambda: None
