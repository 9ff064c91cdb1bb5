"""Signals that come before anybody can act on them.

The handler itself is the memory: whoever takes the signals over finds it in place, and what it
has seen. Only the standard library's `signal` is imported, since this runs before all else.
"""

import os
import signal
from types import FrameType

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Memory:
    """A handler that remembers the signals it is given."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.before = {number: signal.getsignal(number) for number in CAUGHT}
        """What was set before: a shell's `&` and nohup ignore some."""

    def __call__(self, number: int, _: FrameType | None) -> None:
        self.seen.append(number)


def remember() -> None:
    """Remember INT, TERM and HUP from now on, whatever our parent ignores."""
    memory = Memory()
    for number in CAUGHT:
        signal.signal(number, memory)


def remembered() -> list[int]:
    """What has come meanwhile, in its order; forgotten when told."""
    memory = signal.getsignal(signal.SIGINT)
    if not isinstance(memory, Memory):
        return []
    seen, memory.seen = memory.seen, []
    return seen


def release() -> None:
    """Obey signals as a command does that is no service: as before, the remembered ones too.

    Raises KeyboardInterrupt.
    """
    memory = signal.getsignal(signal.SIGINT)
    if isinstance(memory, Memory):
        for number, previous in memory.before.items():
            signal.signal(number, previous)
        for came in memory.seen:
            os.kill(os.getpid(), came)
