"""Resource limits of the process."""

import resource
from contextlib import suppress

from queue_mover.errors import OperatorError

BASE_FILES = 24
"""Open files of a process without any connection: its log, pidfile, libraries, name resolution."""

FILES_PER_SOURCE = 1
"""What wakes an idle mover."""

FILES_PER_CONNECTION = 2
"""The socket, and the selector that the driver uses while it connects."""

HTTP_FILES = 32
"""Open files for HTTP: connections of its clients, its own socket, pipes to a look."""


def needed_files(sources: int, target_connections: int) -> int:
    """How many open files so many sources may need, which share their connections to the target."""
    connections = sources + min(sources, target_connections)
    return BASE_FILES + FILES_PER_SOURCE * sources + FILES_PER_CONNECTION * connections


def require_files(count: int, what: str) -> None:
    """Raise OperatorError when the limit is below `count` open files; `what` needs them."""
    allowed = allow_files()
    if count > allowed:
        raise OperatorError(
            f"{what}: up to {count} open files are needed, {allowed} are allowed;"
            f" remedy: ulimit -n {count}, or LimitNOFILE={count} in the systemd unit"
        )


def allow_files() -> float:
    """Raise the soft limit of open files to the hard one. Returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return float("inf") if soft == resource.RLIM_INFINITY else soft
