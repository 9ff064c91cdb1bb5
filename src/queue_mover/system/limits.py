"""Limits that the system sets to a process."""

import resource
from contextlib import suppress

from queue_mover.errors import OperatorError


def require_files(count: int, what: str) -> None:
    """Allow as many open files as the system lets us without asking.

    Raises OperatorError where that is less than `count`, which is for `what`, in words.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft != resource.RLIM_INFINITY and count > soft:
        raise OperatorError(
            f"{what}: up to {count} open files are needed, {soft} are allowed;"
            f" remedy: ulimit -n {count}, or LimitNOFILE={count} in the service's unit"
        )
