"""What each Python process runs at its start while coverage is measured (see scripts/coverage)."""

import atexit
import contextlib
import os
import threading
from typing import NoReturn

import coverage

PERIOD = 0.5
"""Seconds between two savings: many tests end a process by SIGKILL, which loses the rest."""

PATIENCE = 5.0
"""Seconds that the end of a process waits for a saving under way."""

NAME = "coverage"


class Saver:
    """Saves what was measured so far, in a thread of its own, also in a forked child."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        # One thread at a time: saving closes the files of all. A child that is forked in the
        # middle of it could never save.
        self._saving = threading.Lock()
        self._ending = threading.Event()
        self._exit = os._exit

    def start(self) -> None:
        """Start saving, until the process ends."""
        os.register_at_fork(
            before=self._saving.acquire,
            after_in_parent=self._saving.release,
            after_in_child=self._continue,
        )
        atexit.register(self._end)
        os._exit = self._exit_at_once
        self._start_thread()

    def _start_thread(self) -> None:
        threading.Thread(target=self._run, name=NAME, daemon=True).start()

    def _run(self) -> None:
        while not self._ending.wait(PERIOD):
            # Without a file to spare, or space: the program alone decides what is printed.
            with self._saving, contextlib.suppress(Exception):
                self._measured.save()
                self._measured.get_data().close(force=True)

    def _end(self) -> None:
        """Leave the last saving to coverage itself."""
        self._ending.set()
        self._saving.acquire(timeout=PATIENCE)

    def _exit_at_once(self, status: int) -> NoReturn:
        self._end()
        self._exit(status)

    def _continue(self) -> None:
        # A forked child writes a file of its own, and would take it for the one already begun.
        data = self._measured._data
        if data is not None:
            data._has_arcs = data._wrote_hash = False
        self._saving.release()
        self._start_thread()


# A child finds the environment set: coverage's own hook was faster there.
coverage.process_startup()
measured = coverage.Coverage.current()
# Python runs hooks twice where a folder is found in two ways.
if measured and all(thread.name != NAME for thread in threading.enumerate()):
    Saver(measured).start()
