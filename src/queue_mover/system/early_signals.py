"""Signals that arrive before they can be handled.

The handler itself records them: whoever installs another handler finds it, with its signals.
Only the standard library's `signal` is imported, since this runs before all else.
"""

import os
import signal
from types import FrameType

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Recorder:
    """A signal handler that records signals."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.before = {number: signal.getsignal(number) for number in CAUGHT}
        """The previous handlers: a shell's `&` and nohup ignore some."""

    def __call__(self, number: int, _: FrameType | None) -> None:
        self.seen.append(number)


def record() -> None:
    """Record INT, TERM and HUP from now on, even those that the parent ignores."""
    recorder = Recorder()
    for number in CAUGHT:
        signal.signal(number, recorder)


def recorded() -> list[int]:
    """Return the recorded signals, in order, and forget them."""
    recorder = signal.getsignal(signal.SIGINT)
    if not isinstance(recorder, Recorder):
        return []
    seen, recorder.seen = recorder.seen, []
    return seen


def release() -> None:
    """Restore the previous handlers, and raise the recorded signals again.

    Raises KeyboardInterrupt.
    """
    recorder = signal.getsignal(signal.SIGINT)
    if isinstance(recorder, Recorder):
        for number, previous in recorder.before.items():
            signal.signal(number, previous)
        for seen in recorder.seen:
            os.kill(os.getpid(), seen)
