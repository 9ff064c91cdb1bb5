"""The main thread: starts the workers, listens to signals, reloads, and says how it ended."""

import logging
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from signal import SIGHUP, SIGINT, SIGTERM, Signals

from queue_mover import process
from queue_mover.errors import OperatorError
from queue_mover.service.job import Task
from queue_mover.service.worker import News, Report, Worker

EXIT_TERMINATED = 128 + SIGTERM

DOUBLE = 1.0
"""Seconds within which a second INT abandons the batch."""

PATIENCE = 10.0
"""Seconds between reminders of what a stop waits for."""

LAST_WAIT = 3.0
"""Seconds that abandoned workers get to say so."""


class Supervisor:
    """Runs tasks until they end or a signal ends them."""

    def __init__(
        self,
        load: Callable[[], Sequence[Task]],
        log: logging.Logger,
        running: Callable[[], None] = lambda: None,
    ) -> None:
        """`load` reads the config anew; `running` is called when all tasks have begun."""
        self._load = load
        self._log = log
        self._running = running
        self._inbox: SimpleQueue[Signals | Report] = SimpleQueue()
        self._workers: dict[str, Worker] = {}
        self._next: dict[str, Task] = {}
        self._starting: set[str] = set()
        self._failed = False
        self._stopping = False
        self._interrupted = float("-inf")

    def run(self, tasks: Sequence[Task]) -> int:
        """Run the tasks. Returns the exit code."""
        with process.signals(self._inbox.put):
            self._starting = {task.name for task in tasks}
            for task in tasks:
                self._start(task)
            while self._workers:
                try:
                    news = self._inbox.get(timeout=PATIENCE if self._stopping else None)
                except Empty:
                    self._log.info("waiting for: %s", ", ".join(sorted(self._workers)))
                    continue
                code = self._signal(news) if isinstance(news, Signals) else self._report(news)
                if code is not None:
                    return code
        return 1 if self._failed and not self._stopping else 0

    def _start(self, task: Task, *, reloaded: bool = False) -> None:
        worker = Worker(task, self._inbox.put, patient=reloaded)
        self._workers[task.name] = worker
        worker.start()

    def _signal(self, number: Signals) -> int | None:
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

    def _report(self, report: Report) -> int | None:
        name = report.worker.task.name
        if report.news is not News.RUNNING:
            self._ended(report.worker, failed=report.news is News.FAILED)
        if name in self._starting and (report.news is not News.FAILED or self._workers):
            self._starting.discard(name)
            if not self._starting:
                self._running()
        return None

    def _ended(self, worker: Worker, *, failed: bool) -> None:
        name = worker.task.name
        del self._workers[name]
        following = self._next.pop(name, None)
        if following and not self._stopping:
            self._start(following, reloaded=True)
        elif failed:
            self._failed = True

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
        """Take over a changed config between batches; keep the running one if it is bad."""
        try:
            tasks = {task.name: task for task in self._load()}
        except OperatorError as error:
            self._log.error("Config not reloaded, the running one stays: %s", error)
            return
        self._log.info("Config reloaded")
        self._next.clear()
        for name, worker in self._workers.items():
            wanted = tasks.pop(name, None)
            if wanted == worker.task:
                continue
            if wanted is not None:
                self._next[name] = wanted
            worker.stop()
        for task in tasks.values():
            self._start(task, reloaded=True)
