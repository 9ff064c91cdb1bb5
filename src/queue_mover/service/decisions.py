"""What a worker does about an error, or after a step: pure functions."""

from queue_mover.errors import (
    BadEventError,
    ConfigError,
    LostPositionError,
    NotReadyError,
    UnlockedMoverError,
)
from queue_mover.service.job import Step

POLL = 1.0
"""Seconds between attempts of a standby, where loop_delay is 0."""


def is_fatal(error: Exception, *, looping: bool, worked_before: bool) -> bool:
    """Whether an error ends the worker. A server that is not ready at the start ends it, so that
    the operator sees the error at the terminal; later the worker retries. While other sources
    work, the supervisor restarts a worker that a server was not ready for."""
    if not looping or isinstance(
        error,
        LostPositionError | UnlockedMoverError | BadEventError | ConfigError | MemoryError,
    ):
        return True
    return isinstance(error, NotReadyError) and not worked_before


def is_quiet(error: BaseException, names: tuple[str, ...]) -> bool:
    """Whether `exception_quiet` names the error, its cause, or a class they derive from."""
    if "ALL" in names:
        return True
    classes = {cls.__name__ for cls in type(error).__mro__}
    if error.__cause__ is not None:
        classes |= {cls.__name__ for cls in type(error.__cause__).__mro__}
    return not classes.isdisjoint(names)


def pause(step: Step, loop_delay: float) -> float | None:
    """Seconds to sleep after a step; None: it was the last one."""
    if step.delay:
        return step.delay
    if loop_delay < 0:
        return None
    if step.worked:
        return 0
    if step.standby:
        return loop_delay or POLL
    return loop_delay or None
