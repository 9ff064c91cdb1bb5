"""Reads the config in a thread: a catalogue that does not answer must not keep the process from
obeying signals."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from queue_mover.errors import OperatorError
from queue_mover.service.job import Plan
from queue_mover.system.signals import start_thread


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that has been read, or why it has not."""

    plan: Plan | Exception
    fresh: bool
    """Whether a HUP asked for it, and not the start or the clock."""


class Reader:
    """One reading at a time. Used by the main thread alone."""

    def __init__(self, load: Callable[[bool], Plan], report: Callable[[Loaded], None]) -> None:
        """`load` reads the config: anew on HUP (True). `report` is called by the thread."""
        self._load = load
        self._report = report
        self._reading = False
        self._again = False

    def read(self, *, fresh: bool) -> None:
        """Begin to read. A HUP meanwhile is for another reading, after this one."""
        if self._reading:
            self._again = self._again or fresh
            return
        self._reading = True

        def run() -> None:
            try:
                plan: Plan | Exception = self._load(fresh)
            except Exception as error:
                plan = error
            self._report(Loaded(plan, fresh))

        try:
            start_thread(threading.Thread(target=run, name="config", daemon=True))
        except OperatorError as error:
            self._report(Loaded(error, fresh))

    def done(self) -> None:
        """What was read has been dealt with; the next reading begins if one was asked for."""
        self._reading = False
        if self._again:
            self._again = False
            self.read(fresh=True)
