"""The main thread: starts the workers, listens to signals, reloads, and says how it ended."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from signal import SIGHUP, SIGINT, SIGTERM, Signals

from queue_mover.config.settings import ProcessSettings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.observation.progress import ProcessSnapshot
from queue_mover.service.backoff import Backoff
from queue_mover.service.config_reader import Loaded, Reader
from queue_mover.service.job import JobSpec, Plan
from queue_mover.service.outages import Outages
from queue_mover.service.process_log import ProcessLog
from queue_mover.service.record import Records
from queue_mover.service.stalls import LAST_WAIT, Stalls
from queue_mover.service.timer import Timer
from queue_mover.service.worker import Worker, WorkerReport, WorkerState
from queue_mover.system.limits import require_files

EXIT_TERMINATED = 128 + SIGTERM

DOUBLE = 1.0
"""Seconds within which a second INT abandons the batch."""

PATIENCE = 10.0
"""Seconds between reminders of what a stop waits for."""

STOPS = 1.0
"""Seconds between looks at those that were told to stop."""

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
    ) -> None:
        """`program`: name and version. `load` reads the config: for the first time or when the
        plan says so (False), and anew on HUP (True). `notes`: warnings about the start.
        `running` is called when all jobs have begun, or wait for something to begin."""
        self._settings = settings
        self._log = log
        self._process_log = ProcessLog(log, program, settings.job_name)
        self._notes = notes
        self._running = running
        self._inbox: SimpleQueue[Signals | WorkerReport | Loaded] = SimpleQueue()
        self._reader = Reader(load, self._inbox.put)
        self._planned = False
        self._first = Backoff(settings.exception_sleep, 0, 0)
        self._workers: dict[str, Worker] = {}
        self._next: dict[str, JobSpec] = {}
        self._failed: dict[str, JobSpec] = {}
        self._refused: Mapping[str, str] = {}
        self._stalls = Stalls(
            settings.job_name, lambda worker: self._take(WorkerReport(worker, WorkerState.FAILED))
        )
        self._done: dict[str, JobSpec] = {}
        self._lacking: dict[str, str] = {}
        self._starting: set[str] = set()
        self._stopping = False
        self._interrupted = float("-inf")
        self._refresh = Timer(0, lambda: self._reader.read(fresh=False))
        self._stops = Timer(0, self._look_at_stops)
        self._timers = [
            Timer(SUMMARY, self._summarize),
            Timer(PATIENCE, self._tell_waiting),
            self._refresh,
            self._stops,
        ]
        self._outages = Outages()
        self._records = Records(settings.job_name)
        self._reason = ""

    def notify(self, number: Signals) -> None:
        """A signal came: `run` will act on it. May be called from a signal handler."""
        self._inbox.put(number)

    def snapshot(self) -> ProcessSnapshot:
        """From any thread: what the sources have done, and what they are doing."""
        return self._records.snapshot(self._refused, planned=self._planned)

    def run(self, plan: Plan | None = None) -> int:
        """Run the jobs of a plan; without one, of the config. Returns the exit code.

        Raises what keeps the config from being read, unless that is worth another try.
        """
        if plan:
            # Behind the signals that came before us.
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
        self._process_log.end(code, self._reason or "nothing left to do")
        return code

    def _serve(self) -> int:
        """Act on what comes, until there is nothing to wait for. Returns the exit code."""
        while self._workers or not (self._planned or self._stopping):
            message = self._await_message()
            if isinstance(message, Signals):
                code = self._signal(message)
                if code is not None:
                    return code
            elif isinstance(message, WorkerReport):
                self._take(message)
            elif isinstance(message, Loaded):
                self._loaded(message)
        failed = [] if self._stopping else sorted([*self._failed, *self._refused])
        if any(failed):
            self._reason = f"failed: {', '.join(failed)}: {self._reason}"
        if self._stopping and self._stalls.any:
            self._reason += ", and a server did not answer"
            return 1
        return 1 if failed else 0

    def _await_message(self) -> Signals | WorkerReport | Loaded | None:
        now = time.monotonic()
        due = min(timer.due_in(now) for timer in self._timers)
        try:
            return self._inbox.get(timeout=None if due == float("inf") else due)
        except Empty:
            for timer in self._timers:
                timer.ring(time.monotonic())
            return None

    # Signals, and the end

    def _signal(self, number: Signals) -> int | None:
        """Act on a signal. Returns an exit code when there is nothing to wait for."""
        if number != SIGHUP:
            self._process_log.begin()
        if number == SIGTERM:
            self._log.info("got SIGTERM: rolling back and leaving")
            self._reason = "stopped by SIGTERM"
            self._abandon()
            return EXIT_TERMINATED
        if number == SIGHUP and not self._stopping:
            self._reader.read(fresh=True)
        if number == SIGINT:
            now = time.monotonic()
            if now - self._interrupted < DOUBLE:
                self._log.warning("Double ^C, fast exit")
                self._reason = "stopped by SIGINT twice"
                self._abandon()
                return 1
            self._interrupted = now
            # Of sources that have left the file before, the exit code says nothing.
            self._stalls.any = False
            self._stopping, self._reason = True, "stopped by SIGINT"
            for worker in self._workers.values():
                self._stop(worker)
        return None

    def _stop(self, worker: Worker) -> None:
        worker.stop()
        self._stops.period = STOPS

    def _abandon(self) -> None:
        for worker in self._workers.values():
            worker.abandon()
        deadline = time.monotonic() + LAST_WAIT
        for worker in self._workers.values():
            worker.join(max(0.0, deadline - time.monotonic()))

    def _look_at_stops(self) -> None:
        workers = list(self._workers.values())
        if not any(worker.stopping for worker in workers):
            self._stops.period = 0
        self._stalls.look(workers, time.monotonic())

    # What the config says

    def _loaded(self, loaded: Loaded) -> None:
        """Take over a changed config between batches; keep the running one if it is bad.

        What has failed gets another chance on HUP; else only where it has changed.
        """
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
            self._follow(plan, fresh=loaded.fresh)
        elif self._planned:
            self._keep(plan, fresh=loaded.fresh)
        else:
            self._try_again(plan)
        self._reader.done()

    def _keep(self, error: Exception, *, fresh: bool) -> None:
        what = "Config not reloaded" if fresh else "Sources not refreshed"
        running = "the running one stays" if fresh else "the running ones stay"
        ours = isinstance(error, OperatorError | UnavailableError)
        self._log.error("%s, %s: %s", what, running, error, exc_info=None if ours else error)

    def _try_again(self, error: Exception) -> None:
        """Where the first plan comes from may be away, as any server; a daemon waits for it."""
        if not isinstance(error, UnavailableError) or not self._settings.looping:
            raise error
        self._process_log.begin()
        if self._first.failed(time.monotonic(), f"{error.place}: {error.kind}"):
            self._log.error("%s; retrying, up to every %g s", error, self._settings.exception_sleep)
        self._refresh.restart(max(self._first.wait(), 0.1))
        self._running()
        self._running = lambda: None

    def _follow(self, plan: Plan, *, fresh: bool) -> None:
        self._refresh.restart(plan.refresh)
        plan.adopted()
        specs = {spec.source: spec for spec in plan.specs}
        self._records.keep({*specs, *plan.refused, *self._workers})
        self._tell_refused(plan.refused, fresh=fresh)
        if not self._planned:
            self._planned = True
            if self._first.succeeded(time.monotonic()):
                self._log.info("recovered: %s", plan.title)
            self._starting = set(specs)
            for spec in plan.specs:
                self._start(spec)
            return
        for name in plan.refused:
            if name in self._workers:
                specs[name] = self._workers[name].spec
        self._failed = {n: spec for n, spec in self._failed.items() if n in specs}
        self._done = {n: spec for n, spec in self._done.items() if n in specs}
        known = {} if fresh else self._failed | self._done
        self._apply({n: spec for n, spec in specs.items() if known.get(n) != spec})

    def _tell_refused(self, refused: Mapping[str, str], *, fresh: bool) -> None:
        for name, why in refused.items():
            if fresh or self._refused.get(name) != why:
                kept = "; it goes on as before" if name in self._workers else ""
                self._log.error("%s: %s%s", name, why, kept)
                self._reason = why
        self._refused = refused

    def _start(self, spec: JobSpec, *, reloaded: bool = False, lacking: str = "") -> None:
        self._failed.pop(spec.source, None)
        self._done.pop(spec.source, None)
        record = self._records.of(spec.source)
        worker = Worker(
            spec, self._inbox.put, self._outages, patient=reloaded, lacking=lacking, record=record
        )
        self._workers[spec.source] = worker
        worker.start()

    def _apply(self, specs: dict[str, JobSpec]) -> None:
        self._next.clear()
        leaving = []
        for name, worker in self._workers.items():
            wanted = specs.pop(name, None)
            if wanted == worker.spec and not worker.stopping:
                continue
            if wanted is not None:
                self._next[name] = wanted
            else:
                leaving.append(name)
            self._stop(worker)
        self._process_log.changes(start=specs, restart=self._next, stop=leaving)
        for spec in specs.values():
            self._start(spec, reloaded=True)

    # What the workers say

    def _take(self, report: WorkerReport) -> None:
        worker, source = report.worker, report.worker.spec.source
        if self._workers.get(source) is not worker:
            return
        if report.state is not WorkerState.RUNNING:
            self._ended(report)
        if source in self._starting and (self._workers or not self._failed):
            self._starting.discard(source)
            if not self._starting:
                self._running()
        if not self._starting and self._workers and not self._stopping:
            self._retry_lacking()

    def _ended(self, report: WorkerReport) -> None:
        worker, source = report.worker, report.worker.spec.source
        del self._workers[source]
        self._process_log.add(worker.progress)
        following = self._next.pop(source, None)
        if following and not self._stopping:
            self._start(following, reloaded=True)
        elif report.state is WorkerState.FAILED:
            self._failed[source] = worker.spec
            if report.lacking:
                self._lacking[source] = report.lacking
            if not self._stopping:
                self._reason = worker.error
        elif not worker.stopping:
            self._done[source] = worker.spec
            if not self._stopping:
                self._reason = worker.error or self._reason

    def _retry_lacking(self) -> None:
        """Where others work, what one source lacks may come later: no reason for a reload."""
        lacking, self._lacking = self._lacking, {}
        self._process_log.changes(retry=lacking)
        for name, message in lacking.items():
            if name in self._failed:
                self._start(self._failed[name], reloaded=True, lacking=message)

    # What the log is told from time to time

    def _tell_waiting(self) -> None:
        if self._stopping:
            self._process_log.waiting(self._workers)

    def _summarize(self) -> None:
        """One line about many sources; a single one speaks for itself."""
        stopped = {*self._failed, *self._refused} - set(self._workers)
        if set(self._workers) | stopped <= {""}:
            return
        running = [worker.progress for worker in self._workers.values()]
        self._process_log.summary(running, len(stopped), SUMMARY)
