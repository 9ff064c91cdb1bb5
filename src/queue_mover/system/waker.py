"""Sleep on a socket, woken from another thread."""

import os
import select
from threading import Lock


class Waker:
    """Wakes one sleeping thread. Needs a file descriptor, from the first sleep on."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._awake = False
        self._lock = Lock()

    def sleep(self, socket: int | None, seconds: float) -> bool:
        """Sleep until the socket can be read, `wake` was called, or time is up.

        Returns whether the socket can be read, or its connection is broken.
        """
        if self._file is None:
            self._file = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        if self._awake:
            return False
        ready = select.poll()
        ready.register(self._file, select.POLLIN)
        if socket is not None:
            ready.register(socket, select.POLLIN)
        return any(file == socket for file, _ in ready.poll(seconds * 1000))

    def wake(self) -> None:
        """From any thread, or a signal handler: end this sleep, and all later ones."""
        self._awake = True
        # Without the lock, the number might belong to another file by now. Whoever has it wakes
        # too, or closes: not waited for, since a signal handler may have interrupted that.
        if self._lock.acquire(blocking=False):
            try:
                if self._file is not None:
                    os.eventfd_write(self._file, 1)
            finally:
                self._lock.release()

    def close(self) -> None:
        """Give the file descriptor back."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file = None


AVAILABLE = hasattr(os, "eventfd")
"""Whether the system has what it needs: Linux does."""
