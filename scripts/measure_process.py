"""What each Python process runs at its start while coverage is measured (see scripts/coverage)."""

import atexit
import contextlib
import os
import threading

import coverage

PERIOD = 0.5
"""Seconds between two savings: many tests end a process by SIGKILL, which loses the rest."""


class Saver:
    """Saves what was measured so far, in a thread of its own, also in a forked child."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        # Not in the middle of saving when another thread forks: the child could never save.
        self._saving = threading.Lock()
        self._ending = threading.Event()
        os.register_at_fork(
            before=self._saving.acquire,
            after_in_parent=self._saving.release,
            after_in_child=self._continue,
        )
        atexit.register(self._ending.set)

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="coverage", daemon=True).start()

    def _run(self) -> None:
        while not self._ending.wait(PERIOD):
            # Without a file to spare, or space: the program alone decides what is printed.
            with self._saving, contextlib.suppress(Exception):
                self._measured.save()
                self._measured.get_data().close(force=True)

    def _continue(self) -> None:
        # A forked child writes a file of its own, and would take it for the one already begun.
        data = self._measured._data
        if data is not None:
            data._has_arcs = data._wrote_hash = False
        self._saving.release()
        self.start()


# A child finds the environment set: coverage's own hook was faster there.
coverage.process_startup()
if measured := coverage.Coverage.current():
    Saver(measured).start()
