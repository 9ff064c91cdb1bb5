"""The main thread: starts the workers, listens to signals, reloads, and says how it ended."""

import logging
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from signal import SIGHUP, SIGINT, SIGTERM, Signals

from queue_mover import logs
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.service.job import Task
from queue_mover.service.timer import Timer
from queue_mover.service.worker import News, Report, Worker

EXIT_TERMINATED = 128 + SIGTERM

DOUBLE = 1.0
"""Seconds within which a second INT abandons the batch."""

PATIENCE = 10.0
"""Seconds between reminders of what a stop waits for."""

SUMMARY = 60.0
"""Seconds between summary lines of a process with many sources."""

LAST_WAIT = 3.0
"""Seconds that abandoned workers get to say so."""


class Supervisor:
    """Runs tasks until they end or a signal ends them."""

    def __init__(
        self,
        load: Callable[[], Sequence[Task]],
        log: logging.Logger,
        *,
        running: Callable[[], None] = lambda: None,
        refresh: float = 0,
    ) -> None:
        """`load` reads the config anew, on HUP and every `refresh` seconds (0: only on HUP);
        `running` is called when all tasks have begun."""
        self._load = load
        self._log = log
        self._running = running
        self._inbox: SimpleQueue[Signals | Report] = SimpleQueue()
        self._workers: dict[str, Worker] = {}
        self._next: dict[str, Task] = {}
        self._failed: dict[str, Task] = {}
        self._starting: set[str] = set()
        self._stopping = False
        self._interrupted = float("-inf")
        self._timers = [
            Timer(SUMMARY, self._summarize),
            Timer(PATIENCE, self._tell_waiting),
            Timer(refresh, self._refresh),
        ]
        self._counted = (0, 0)

    def notify(self, number: Signals) -> None:
        """A signal came: `run` will act on it. May be called from a signal handler."""
        self._inbox.put(number)

    def run(self, tasks: Sequence[Task]) -> int:
        """Run the tasks. Returns the exit code."""
        self._starting = {task.source for task in tasks}
        for task in tasks:
            self._start(task)
        while self._workers:
            news = self._await_news()
            code = self._signal(news) if isinstance(news, Signals) else None
            if isinstance(news, Report):
                self._take(news)
            if code is not None:
                return code
        return 1 if self._failed and not self._stopping else 0

    def _await_news(self) -> Signals | Report | None:
        now = time.monotonic()
        due = min(timer.due_in(now) for timer in self._timers)
        try:
            return self._inbox.get(timeout=None if due == float("inf") else due)
        except Empty:
            for timer in self._timers:
                timer.ring(time.monotonic())
            return None

    def _start(self, task: Task, *, reloaded: bool = False) -> None:
        self._failed.pop(task.source, None)
        worker = Worker(task, self._inbox.put, patient=reloaded)
        self._workers[task.source] = worker
        worker.start()

    def _signal(self, number: Signals) -> int | None:
        """Act on a signal. Returns an exit code when there is nothing to wait for."""
        if number == SIGTERM:
            self._log.info("got SIGTERM: rolling back and leaving")
            self._abandon()
            return EXIT_TERMINATED
        if number == SIGHUP and not self._stopping:
            self._reload()
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
            following = self._next.pop(source, None)
            if following and not self._stopping:
                self._start(following, reloaded=True)
            elif report.news is News.FAILED:
                self._failed[source] = worker.task
        if source in self._starting and (self._workers or not self._failed):
            self._starting.discard(source)
            if not self._starting:
                self._running()

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

    def _reload(self) -> None:
        """Take over a changed config between batches; keep the running one if it is bad.

        What has failed gets another chance.
        """
        try:
            tasks = self._load()
        except (OperatorError, UnavailableError) as error:
            self._log.error("Config not reloaded, the running one stays: %s", error)
            return
        self._log.info("Config reloaded")
        self._apply({task.source: task for task in tasks})

    def _refresh(self) -> None:
        """Look for new and removed sources; leave alone what has failed and has not changed."""
        if self._stopping:
            return
        try:
            tasks = {task.source: task for task in self._load()}
        except (OperatorError, UnavailableError) as error:
            self._log.error("Sources not refreshed, the running ones stay: %s", error)
            return
        self._apply({name: task for name, task in tasks.items() if self._failed.get(name) != task})

    def _apply(self, tasks: dict[str, Task]) -> None:
        self._next.clear()
        for name, worker in self._workers.items():
            wanted = tasks.pop(name, None)
            if wanted == worker.task and not worker.stopping:
                continue
            if wanted is not None:
                self._next[name] = wanted
            worker.stop()
        for task in tasks.values():
            self._start(task, reloaded=True)

    def _tell_waiting(self) -> None:
        if self._stopping:
            names = sorted(name or "the running batch" for name in self._workers)
            self._log.info("waiting for: %s", ", ".join(names))

    def _summarize(self) -> None:
        """One line about many sources; a single one speaks for itself."""
        if set(self._workers) | set(self._failed) <= {""}:
            return
        progress = [worker.progress for worker in self._workers.values()]
        totals = (sum(p.batches for p in progress), sum(p.events for p in progress))
        # A worker that has ended took its count with it.
        batches, events = (
            max(0, total - before) for total, before in zip(totals, self._counted, strict=True)
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
