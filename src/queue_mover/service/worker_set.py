"""The workers of a process, one per source, and what follows when one of them ends."""

import time
from collections.abc import Callable, Mapping

from queue_mover.service import long_waits
from queue_mover.service.job import JobSpec, Plan
from queue_mover.service.long_waits import LongWaits
from queue_mover.service.outages import Outages
from queue_mover.service.process_log import ProcessLog
from queue_mover.service.record import Records
from queue_mover.service.service_manager import describe
from queue_mover.service.stalls import LAST_WAIT, Stalls
from queue_mover.service.timer import Timer
from queue_mover.service.worker import Worker, WorkerReport, WorkerState

STALLS_PERIOD = 1.0
"""Seconds between checks of the workers that are stopping."""


class WorkerSet:
    """Starts, replaces and stops workers. Used by the main thread alone."""

    def __init__(
        self,
        report: Callable[[WorkerReport], None],
        process_log: ProcessLog,
        records: Records,
        started: Callable[[], None],
    ) -> None:
        """`report` is called by the workers' threads, for `handle` in the main thread.
        `records` keep what each source has done. `started` is called once every job of the
        first plan has started, failed or waits."""
        self.reason = ""
        """Why the last worker ended that was not stopped."""
        self.stalls_timer = Timer(0, self._check_stalls)
        self._report = report
        self._process_log = process_log
        self._records = records
        self._started = started
        self._workers: dict[str, Worker] = {}
        self._next: dict[str, JobSpec] = {}
        self._failed: dict[str, JobSpec] = {}
        self._done: dict[str, JobSpec] = {}
        self._not_ready: dict[str, str] = {}
        self.refused: Mapping[str, str] = {}
        """Sources that cannot be run, and why."""
        self._starting: set[str] = set()
        self._stopping = False
        self._stalls = Stalls(
            process_log.job_name,
            lambda worker: self.handle(WorkerReport(worker, WorkerState.FAILED)),
        )
        self._long_waits = LongWaits(process_log.job_name)
        self.waits_timer = Timer(
            long_waits.PERIOD, lambda: self._long_waits.check(self._workers.values())
        )
        self._outages = Outages()

    def __len__(self) -> int:
        """How many are running."""
        return len(self._workers)

    @property
    def failed(self) -> list[str]:
        """The sources that have failed or were refused, sorted."""
        return sorted([*self._failed, *self.refused])

    @property
    def stalled(self) -> bool:
        """Whether connections had to be closed since `stop`."""
        return self._stalls.found

    def start(self, plan: Plan) -> None:
        """Start the jobs of the first plan."""
        self._keep_records(plan)
        self._starting = {spec.source for spec in plan.specs}
        for spec in plan.specs:
            self._start_worker(spec)

    def update(self, plan: Plan, *, fresh: bool) -> None:
        """Start, replace and stop workers as a later plan says.

        What has failed gets another chance on HUP (`fresh`); else only where it has changed.
        """
        self._keep_records(plan)
        specs = {spec.source: spec for spec in plan.specs}
        for name in plan.refused:
            if name in self._workers:
                specs[name] = self._workers[name].spec
        self._failed = {n: spec for n, spec in self._failed.items() if n in specs}
        self._done = {n: spec for n, spec in self._done.items() if n in specs}
        known = {} if fresh else self._failed | self._done
        self._reconcile({n: spec for n, spec in specs.items() if known.get(n) != spec})

    def refuse(self, refused: Mapping[str, str], *, fresh: bool) -> None:
        """Set the refused sources of a plan, and log the new ones."""
        for name, why in refused.items():
            if fresh or self.refused.get(name) != why:
                kept = "; it keeps running unchanged" if name in self._workers else ""
                self._process_log.log.error("%s: %s%s", name, why, kept)
                self.reason = why
        self.refused = refused

    def stop(self) -> None:
        """Stop all of them, and start no others."""
        # The exit code does not reflect sources that were removed from the file earlier.
        self._stalls.found = False
        self._stopping = True
        for worker in self._workers.values():
            self._stop_worker(worker)

    def abandon(self) -> None:
        """Fail all running steps now, and wait a moment for the threads to end."""
        for worker in self._workers.values():
            worker.abandon()
        deadline = time.monotonic() + LAST_WAIT
        for worker in self._workers.values():
            worker.join(max(0.0, deadline - time.monotonic()))

    def handle(self, report: WorkerReport) -> None:
        """Act on the report of a worker."""
        source = report.worker.spec.source
        if self._workers.get(source) is not report.worker:
            return
        if report.state in (WorkerState.DONE, WorkerState.FAILED):
            self._ended(report)
        if source in self._starting and (self._workers or not self._failed):
            self._starting.discard(source)
            if not self._starting:
                self._started()
        if not self._starting and self._workers and not self._stopping:
            self._retry_not_ready()

    def log_waiting(self) -> None:
        """Log which workers a stop waits for."""
        if self._stopping:
            self._process_log.waiting(self._workers)

    def log_summary(self, period: float) -> None:
        """One line about many sources; a single one speaks for itself. `period`: in seconds."""
        stopped = {*self._failed, *self.refused} - set(self._workers)
        if set(self._workers) | stopped <= {""}:
            return
        running = [worker.progress for worker in self._workers.values()]
        self._process_log.summary(running, len(stopped), period)

    def describe(self) -> str:
        """What they do, in one short line."""
        workers = self._workers.values()
        running = [worker.progress for worker in workers]
        moved = self._process_log.moved(running)
        expected = bool(moved) or any(worker.spec.log_idle for worker in workers)
        return describe(
            sources=len(running),
            failing=sum(progress.failing for progress in running),
            stopped=len({*self._failed, *self.refused} - set(self._workers)),
            events=moved if expected else None,
        )

    def _start_worker(self, spec: JobSpec, *, reloaded: bool = False, not_ready: str = "") -> None:
        self._failed.pop(spec.source, None)
        self._done.pop(spec.source, None)
        worker = Worker(
            spec,
            self._report,
            self._outages,
            patient=reloaded,
            not_ready=not_ready,
            record=self._records.of(spec.source),
        )
        self._workers[spec.source] = worker
        worker.start()

    def _keep_records(self, plan: Plan) -> None:
        specs = (spec.source for spec in plan.specs)
        self._records.keep({*specs, *plan.refused, *self._workers})

    def _stop_worker(self, worker: Worker) -> None:
        worker.stop()
        self.stalls_timer.period = STALLS_PERIOD

    def _reconcile(self, specs: dict[str, JobSpec]) -> None:
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
            self._stop_worker(worker)
        self._process_log.changes(start=specs, restart=self._next, stop=leaving)
        for spec in specs.values():
            self._start_worker(spec, reloaded=True)

    def _ended(self, report: WorkerReport) -> None:
        worker, source = report.worker, report.worker.spec.source
        del self._workers[source]
        self._process_log.add(worker.progress)
        following = self._next.pop(source, None)
        if following and not self._stopping:
            self._start_worker(following, reloaded=True)
        elif report.state is WorkerState.FAILED:
            self._failed[source] = worker.spec
            if report.not_ready:
                self._not_ready[source] = report.not_ready
            self.reason = worker.error
        elif not worker.stopping:
            self._done[source] = worker.spec
            self.reason = worker.error or self.reason

    def _retry_not_ready(self) -> None:
        """While others work, retry sources whose servers were not ready: no reload needed."""
        not_ready, self._not_ready = self._not_ready, {}
        self._process_log.changes(retry=not_ready)
        for name, message in not_ready.items():
            if name in self._failed:
                self._start_worker(self._failed[name], reloaded=True, not_ready=message)

    def _check_stalls(self) -> None:
        workers = list(self._workers.values())
        if not any(worker.stopping for worker in workers):
            self.stalls_timer.period = 0
        self._stalls.check(workers, time.monotonic())
