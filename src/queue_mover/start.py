"""The installed commands, and what is done before their libraries are there."""

import gc
import signal
from importlib import import_module


def queue_mover3() -> int:
    """Entry point. Returns the exit code."""
    return _run("queue_mover.cli.queue_mover3")


def pgqadm() -> int:
    """Entry point. Returns the exit code."""
    return _run("queue_mover.admin.cli")


def _run(module: str) -> int:
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        # Nothing has begun that ^C could spoil: it ends us, without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What is imported stays to the end; to look through it for garbage takes a fifth of a start.
    gc.disable()
    command = import_module(module)
    gc.freeze()
    gc.enable()
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code: int = command.main()
    return code
