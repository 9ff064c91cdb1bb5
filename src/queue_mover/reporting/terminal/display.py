"""Shows the state of a process on a terminal, from separate threads."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from queue_mover.config.settings import Settings
from queue_mover.errors import OperatorError
from queue_mover.observation.formatting import duration
from queue_mover.observation.overview import Overview
from queue_mover.observation.progress import MoverSnapshot, ProcessSnapshot
from queue_mover.reporting.terminal import rows
from queue_mover.reporting.terminal.estimates import Estimate, Reading
from queue_mover.reporting.terminal.stream import Lines
from queue_mover.reporting.web.backlog import backlog
from queue_mover.reporting.web.look import Look, Question
from queue_mover.system.signals import start_thread

if TYPE_CHECKING:
    from queue_mover.reporting.terminal.screen import Screen

FRAME = 0.5
"""Seconds between two frames."""

SOON = 0.1
"""The same while log lines wait."""

IDLE_SHARE = 20
"""The pause after a frame, as a multiple of its CPU time: drawing takes a twentieth of a core."""

READ = 5.0
"""Seconds between two reads of the databases."""

READ_SHARE = 9
"""The pause after a read, as a multiple of its duration."""

CHOOSE = 5.0
"""Seconds between two choices of the sources to show, so that rows do not jump."""

LAST_FRAME = 2.0
"""Seconds that the process, at its end, waits for a terminal that may be stopped (^S)."""


class Display:
    """A table of the sources below the log lines, until it is stopped."""

    def __init__(
        self,
        program: str,
        snapshot: Callable[[], ProcessSnapshot],
        log: logging.Logger,
        *,
        verbose: bool,
    ) -> None:
        """`verbose`: with the statistics lines of the log."""
        self._program = program
        self._snapshot = snapshot
        self._log = log
        self._lines = Lines(statistics=verbose)
        self._look = Look()
        self._question = Question()
        self._estimates: dict[str, Estimate] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._began = time.monotonic()
        self._chosen = float("-inf")
        self._was_shown = False
        self._drawing = threading.Thread(target=self._run, name="terminal", daemon=True)
        self._reading = threading.Thread(target=self._read, name="terminal status", daemon=True)

    def start(self) -> None:
        """Start. If that fails, the log continues without a table."""
        with suppress(OperatorError):
            start_thread(self._drawing)

    def follow(self, settings: Settings) -> None:
        """Show these sources from now on."""
        self._question = Question(settings.movers, settings.refused)

    def stop(self) -> None:
        """Stop, and print a summary of the run."""
        self._stopping.set()
        self._lines.came.set()
        self._look.stop()
        if self._drawing.ident is not None:
            self._drawing.join(LAST_FRAME)
        self._lines.end()
        if self._was_shown:
            seconds = time.monotonic() - self._began
            with suppress(OSError, ValueError):
                print(rows.summary(self._snapshot().movers, seconds), file=self._lines.terminal)

    # Drawing

    def _run(self) -> None:
        try:
            # The import takes a tenth of a second; no mover waits for it.
            from queue_mover.reporting.terminal.screen import Screen  # noqa: PLC0415
        except ImportError:
            return
        screen = Screen(self._lines)
        try:
            start_thread(self._reading)
            while not self._stopping.is_set():
                # CPU time of this thread: a busy machine makes a frame slower, not more expensive.
                began = time.thread_time()
                if in_foreground(self._lines):
                    self._lines.begin()
                    self._draw(screen)
                else:
                    screen.hide()
                    self._lines.end()
                self._pause(time.thread_time() - began)
            screen.hide()
        except Exception as error:
            with suppress(Exception):
                screen.hide()
            self._lines.end()
            self._log.warning(
                "terminal: the table is no longer shown: %s: %s", type(error).__name__, error
            )

    def _draw(self, screen: "Screen") -> None:
        now = time.time()
        process = self._snapshot()
        with self._lock:
            readings = [self._estimate(each).at(each, now) for each in process.movers]
            names = {each.source for each in process.movers}
            self._estimates = {k: v for k, v in self._estimates.items() if k in names}
        now = time.monotonic()
        choose = now - self._chosen >= CHOOSE
        if choose:
            self._chosen = now
        screen.show(self._title(readings, now), readings, choose=choose)
        self._was_shown = True

    def _title(self, readings: list[Reading], now: float) -> str:
        events = sum(each.mover.events for each in readings)
        ran = duration(int(now - self._began))
        return (
            f"{self._program}, pid {os.getpid()}, running {ran},"
            f" {rows.compact(events)} events moved; ^C: stop after the current batch"
        )

    def _estimate(self, mover: MoverSnapshot) -> Estimate:
        return self._estimates.setdefault(mover.source, Estimate())

    def _pause(self, cost: float) -> None:
        pause = max(FRAME, IDLE_SHARE * cost)
        if self._lines.came.wait(pause):
            self._stopping.wait(min(pause, max(SOON, IDLE_SHARE * cost)))

    # Reading

    def _read(self) -> None:
        pause = 1.0
        while not self._stopping.wait(pause):
            question = self._question
            if not question.movers or not in_foreground(self._lines):
                continue
            began = time.monotonic()
            before = self._movers()
            seen = self._look.take(question)
            if not self._stopping.is_set():
                self._note(seen, before)
            pause = max(READ, READ_SHARE * (time.monotonic() - began))

    def _movers(self) -> dict[str, MoverSnapshot]:
        return {each.source: each for each in self._snapshot().movers}

    def _note(self, seen: Overview, before: Mapping[str, MoverSnapshot]) -> None:
        after, now = self._movers(), time.time()
        with self._lock:
            for view in seen.sources:
                mover = after.get(view.source.name)
                if mover is None:
                    continue
                consumer = view.source.consumer
                lag = consumer.lag if consumer else None
                earlier = before.get(mover.source, replace(mover, batches=0, span=0))
                self._estimate(mover).read(backlog(view.source), lag, earlier, mover, now)


def in_foreground(lines: Lines) -> bool:
    """Whether this process is in the foreground of its terminal."""
    try:
        return os.tcgetpgrp(lines.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        # There is no job control.
        return True
