"""Signals: handled in the main thread, blocked in all others."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from queue_mover.errors import OperatorError
from queue_mover.system import early_signals
from queue_mover.system.early_signals import CAUGHT


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block signals, for starting a thread that must not receive them.

    Delivered to another thread, a signal would not wake the main thread.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals(handler: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Pass INT, TERM and HUP to a handler, first those recorded since the start; restores the
    previous handlers.

    The handler runs between two instructions of the main thread: it may only set a flag,
    or put into a `queue.SimpleQueue`.
    """
    with signals_blocked():
        early = early_signals.recorded()
        before = {
            number: signal.signal(number, lambda number, _: handler(signal.Signals(number)))
            for number in CAUGHT
        }
        for number in early:
            handler(signal.Signals(number))
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def start_thread(thread: threading.Thread) -> None:
    """Start a thread with signals blocked. Raises OperatorError when the system has no more."""
    try:
        with signals_blocked():
            thread.start()
    except RuntimeError as error:
        raise OperatorError(
            f"{error}; remedy: raise TasksMax= in the systemd unit or ulimit -u, or add memory"
        ) from None
