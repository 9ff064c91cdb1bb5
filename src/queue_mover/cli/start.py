"""The installed commands, and what is done before their libraries are there."""

import gc
from importlib import import_module

from queue_mover.system import early_signals


def queue_mover3() -> int:
    """Entry point. Returns the exit code."""
    return _run("queue_mover.cli.queue_mover3")


def pgqadm() -> int:
    """Entry point. Returns the exit code."""
    return _run("queue_mover.cli.pgqadm")


def _run(module: str) -> int:
    # Whether a service starts, which obeys them in its own way, is known after the imports.
    early_signals.remember()
    # What is imported stays to the end; to look through it for garbage takes a fifth of a start.
    gc.disable()
    command = import_module(module)
    gc.freeze()
    gc.enable()
    code: int = command.main()
    return code
