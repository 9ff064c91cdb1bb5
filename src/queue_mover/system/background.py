"""Daemonizing."""

import os

from queue_mover.system import early_signals


class Background:
    """The daemon's side of daemonizing.

    The foreground process waits until `detach` and then exits 0; if the daemon dies before
    that, its messages have gone to the terminal and the foreground process exits 1.
    """

    def __init__(self, ready: int) -> None:
        self._ready = ready

    def detach(self) -> None:
        """Detach from the terminal, and let the foreground process exit."""
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.close(null)
        os.write(self._ready, b"ready")
        os.close(self._ready)


def go_background() -> Background:
    """Fork twice into a session of its own. Keeps the working directory and open files."""
    waiting, ready = os.pipe()
    if os.fork():
        os.close(ready)
        # Signals are for the daemon by now; ^C ends this wait alone.
        early_signals.release()
        os._exit(0 if os.read(waiting, 16) else 1)
    os.close(waiting)
    os.setsid()
    if os.fork():
        os._exit(0)
    return Background(ready)
