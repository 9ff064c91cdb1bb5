"""The main thread: starts the workers, listens to signals, reloads, and says how it ended."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from signal import SIGHUP, SIGINT, SIGTERM, Signals

from queue_mover import logs, process
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.service.job import Plan, Task
from queue_mover.service.timer import Timer
from queue_mover.service.worker import News, Progress, Report, Worker

EXIT_TERMINATED = 128 + SIGTERM

DOUBLE = 1.0
"""Seconds within which a second INT abandons the batch."""

PATIENCE = 10.0
"""Seconds between reminders of what a stop waits for."""

SUMMARY = 60.0
"""Seconds between summary lines of a process with many sources."""

LAST_WAIT = 3.0
"""Seconds that abandoned workers get to say so."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that has been read, or why it has not."""

    plan: Plan | Exception
    fresh: bool
    """Whether a HUP asked for it, and not the clock."""


class Supervisor:
    """Runs tasks until they end or a signal ends them."""

    def __init__(
        self,
        load: Callable[[bool], Plan],
        log: logging.Logger,
        *,
        running: Callable[[], None] = lambda: None,
    ) -> None:
        """`load` reads the config anew: on HUP (True), and when the plan says so (False);
        `running` is called when all tasks have begun."""
        self._load = load
        self._log = log
        self._running = running
        self._inbox: SimpleQueue[Signals | Report | Loaded] = SimpleQueue()
        self._workers: dict[str, Worker] = {}
        self._next: dict[str, Task] = {}
        self._failed: dict[str, Task] = {}
        self._done: dict[str, Task] = {}
        self._lacking: dict[str, str] = {}
        self._starting: set[str] = set()
        self._stopping = False
        self._interrupted = float("-inf")
        self._timers = [
            Timer(SUMMARY, self._summarize),
            Timer(PATIENCE, self._tell_waiting),
        ]
        self._refresh = Timer(0, lambda: self._read(fresh=False))
        self._timers.append(self._refresh)
        self._reading = False
        self._again = False
        self._ended = Progress()
        self._counted = (0, 0)

    def notify(self, number: Signals) -> None:
        """A signal came: `run` will act on it. May be called from a signal handler."""
        self._inbox.put(number)

    def run(self, plan: Plan) -> int:
        """Run the tasks of a plan. Returns the exit code."""
        self._refresh.period = plan.refresh
        self._starting = {task.source for task in plan.tasks}
        for task in plan.tasks:
            self._start(task)
        while self._workers:
            news = self._await_news()
            code = self._signal(news) if isinstance(news, Signals) else None
            if isinstance(news, Report):
                self._take(news)
            if isinstance(news, Loaded):
                self._loaded(news)
            if code is not None:
                return code
        return 1 if self._failed and not self._stopping else 0

    def _await_news(self) -> Signals | Report | Loaded | None:
        now = time.monotonic()
        due = min(timer.due_in(now) for timer in self._timers)
        try:
            return self._inbox.get(timeout=None if due == float("inf") else due)
        except Empty:
            for timer in self._timers:
                timer.ring(time.monotonic())
            return None

    def _start(self, task: Task, *, reloaded: bool = False, lacking: str = "") -> None:
        self._failed.pop(task.source, None)
        self._done.pop(task.source, None)
        worker = Worker(task, self._inbox.put, patient=reloaded, lacking=lacking)
        self._workers[task.source] = worker
        worker.start()

    def _signal(self, number: Signals) -> int | None:
        """Act on a signal. Returns an exit code when there is nothing to wait for."""
        if number == SIGTERM:
            self._log.info("got SIGTERM: rolling back and leaving")
            self._abandon()
            return EXIT_TERMINATED
        if number == SIGHUP and not self._stopping:
            self._read(fresh=True)
        if number == SIGINT:
            now = time.monotonic()
            if now - self._interrupted < DOUBLE:
                self._log.warning("Double ^C, fast exit")
                self._abandon()
                return 1
            self._interrupted = now
            self._stop()
        return None

    def _take(self, report: Report) -> None:
        worker, source = report.worker, report.worker.task.source
        if report.news is not News.RUNNING:
            del self._workers[source]
            self._ended.batches += worker.progress.batches
            self._ended.events += worker.progress.events
            following = self._next.pop(source, None)
            if following and not self._stopping:
                self._start(following, reloaded=True)
            elif report.news is News.FAILED:
                self._failed[source] = worker.task
                if report.lacking:
                    self._lacking[source] = report.lacking
            elif not worker.stopping:
                self._done[source] = worker.task
        if source in self._starting and (self._workers or not self._failed):
            self._starting.discard(source)
            if not self._starting:
                self._running()
        if not self._starting and self._workers and not self._stopping:
            self._retry_lacking()

    def _retry_lacking(self) -> None:
        """Where others work, what one source lacks may come later: no reason for a reload."""
        lacking, self._lacking = self._lacking, {}
        self._tell_changes(retry=lacking)
        for name, message in lacking.items():
            if name in self._failed:
                self._start(self._failed[name], reloaded=True, lacking=message)

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._workers.values():
            worker.stop()

    def _abandon(self) -> None:
        for worker in self._workers.values():
            worker.abandon()
        deadline = time.monotonic() + LAST_WAIT
        for worker in self._workers.values():
            worker.join(max(0.0, deadline - time.monotonic()))

    def _read(self, *, fresh: bool) -> None:
        """Read the config in a thread: a catalogue that does not answer must not keep us from
        obeying signals. A HUP meanwhile is for another reading, after this one."""
        if self._reading:
            self._again = self._again or fresh
            return
        self._reading = True

        def read() -> None:
            try:
                plan: Plan | Exception = self._load(fresh)
            except Exception as error:
                plan = error
            self._inbox.put(Loaded(plan, fresh))

        with process.signals_blocked():
            threading.Thread(target=read, name="config", daemon=True).start()

    def _loaded(self, loaded: Loaded) -> None:
        """Take over a changed config between batches; keep the running one if it is bad.

        What has failed gets another chance on HUP; else only where it has changed.
        """
        self._reading = False
        if self._stopping:
            return
        what = "Config not reloaded" if loaded.fresh else "Sources not refreshed"
        running = "the running one stays" if loaded.fresh else "the running ones stay"
        match loaded.plan:
            case OperatorError() | UnavailableError() as error:
                self._log.error("%s, %s: %s", what, running, error)
            case Exception() as error:
                self._log.error("%s, %s: %s", what, running, error, exc_info=error)
            case plan:
                if loaded.fresh:
                    self._log.info("Config reloaded")
                self._refresh.period = plan.refresh
                tasks = {task.source: task for task in plan.tasks}
                self._failed = {n: task for n, task in self._failed.items() if n in tasks}
                self._done = {n: task for n, task in self._done.items() if n in tasks}
                known = {} if loaded.fresh else self._failed | self._done
                self._apply({n: task for n, task in tasks.items() if known.get(n) != task})
        if self._again:
            self._again = False
            self._read(fresh=True)

    def _apply(self, tasks: dict[str, Task]) -> None:
        self._next.clear()
        leaving = []
        for name, worker in self._workers.items():
            wanted = tasks.pop(name, None)
            if wanted == worker.task and not worker.stopping:
                continue
            if wanted is not None:
                self._next[name] = wanted
            else:
                leaving.append(name)
            worker.stop()
        self._tell_changes(start=tasks, restart=self._next, stop=leaving)
        for task in tasks.values():
            self._start(task, reloaded=True)

    def _tell_changes(self, **changes: Iterable[str]) -> None:
        words = [
            f"{what} {', '.join(sorted(filter(None, names)))}"
            for what, names in changes.items()
            if any(names)
        ]
        if words:
            self._log.info("sources: %s", "; ".join(words))

    def _tell_waiting(self) -> None:
        if self._stopping:
            names = sorted(name or "the running batch" for name in self._workers)
            self._log.info("waiting for: %s", ", ".join(names))

    def _summarize(self) -> None:
        """One line about many sources; a single one speaks for itself."""
        if set(self._workers) | set(self._failed) <= {""}:
            return
        progress = [worker.progress for worker in self._workers.values()]
        counted = [self._ended, *progress]
        totals = (sum(p.batches for p in counted), sum(p.events for p in counted))
        batches, events = (
            total - before for total, before in zip(totals, self._counted, strict=True)
        )
        self._counted = totals
        values = {
            "sources": len(self._workers),
            "failing": sum(p.failing for p in progress),
            "stopped": len(self._failed),
            "batches": batches,
            "count": events,
            "seconds": f"{SUMMARY:g}",
        }
        self._log.info("%s", logs.statistics(values))
