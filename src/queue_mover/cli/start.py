"""The installed commands, and what must happen before their imports."""

import gc
from importlib import import_module

from queue_mover.system import early_signals


def queue_mover3() -> int:
    """Entry point. Returns the exit code."""
    return _run("queue_mover.cli.queue_mover3")


def queue_splitter3() -> int:
    """Entry point. Returns the exit code."""
    return _run("queue_mover.cli.queue_splitter3")


def pgqadm() -> int:
    """Entry point. Returns the exit code."""
    return _run("queue_mover.cli.pgqadm")


def _run(module: str) -> int:
    # A service handles them itself; whether one starts is known only after the imports.
    early_signals.record()
    # Imports stay to the end; collecting garbage among them takes a fifth of a start.
    gc.disable()
    command = import_module(module)
    gc.freeze()
    gc.enable()
    code: int = command.main()
    return code
