"""Reads the config in a thread: a catalogue that does not answer must not block signals."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from queue_mover.errors import OperatorError
from queue_mover.service.job import Plan
from queue_mover.system.signals import start_thread


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that has been read, or the error."""

    plan: Plan | Exception
    fresh: bool
    """Whether it was read because of a HUP, not at the start or on a timer."""


class ConfigReader:
    """One read at a time. Used by the main thread only."""

    def __init__(self, load: Callable[[bool], Plan], report: Callable[[Loaded], None]) -> None:
        """`load` reads the config; True: on HUP. `report` is called by the thread."""
        self._load = load
        self._report = report
        self._reading = False
        self._again = False

    def read(self, *, fresh: bool) -> None:
        """Start reading. A HUP meanwhile causes another read afterwards."""
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
        """The result has been handled; start the next read if one is due."""
        self._reading = False
        if self._again:
            self._again = False
            self.read(fresh=True)
