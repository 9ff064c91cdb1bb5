"""Background threads that survive crashes of the servers."""

import threading
from contextlib import suppress

import psycopg

RETRY = 0.1
"""Seconds before a thread reconnects."""


class RetryingThread(threading.Thread):
    """Calls `work` until stopped, again after each loss of the connection."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Retry until stopped."""
        while self.active:
            with suppress(psycopg.Error):
                self.work()
            self.pause(RETRY)

    def work(self) -> None:
        """Work over a new connection while `active`."""
        raise NotImplementedError

    @property
    def active(self) -> bool:
        """Whether nobody has stopped the thread."""
        return not self._stopping.is_set()

    def pause(self, seconds: float) -> None:
        """Sleep, but wake up on `stop`."""
        self._stopping.wait(seconds)

    def stop(self) -> None:
        """Finish what is in progress, soon."""
        self._stopping.set()
