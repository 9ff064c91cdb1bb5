"""Limits that the system sets to a process."""

import resource
from contextlib import suppress

from queue_mover.errors import OperatorError

BASE_FILES = 24
"""Open files of a process without any connection: its log, pidfile, libraries, a name look-up."""

FILES_PER_CONNECTION = 2
"""The socket, and what the driver waits with while it connects."""

HTTP_FILES = 32
"""Open files for HTTP: connections of its clients, its own socket, pipes to a look."""


def require_files(count: int, what: str) -> None:
    """Raise OperatorError where `count` open files are too many; they are for `what`, in words."""
    allowed = allow_files()
    if count > allowed:
        raise OperatorError(
            f"{what}: up to {count} open files are needed, {allowed} are allowed;"
            f" remedy: ulimit -n {count}, or LimitNOFILE={count} in the service's unit"
        )


def allow_files() -> float:
    """Allow as many open files as the system lets us without asking. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return float("inf") if soft == resource.RLIM_INFINITY else soft
