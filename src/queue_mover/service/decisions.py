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
"""Seconds between looks at work that somebody else is doing, where loop_delay is 0."""


def is_fatal(error: Exception, *, looping: bool, worked_before: bool) -> bool:
    """Whether an error ends the worker. What a server lacks at the start, a person must bring,
    who is told at the terminal; later it has been taken away, and may come back. Where others
    work, the supervisor begins anew a worker that lacked something."""
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
    if step.again_in:
        return step.again_in
    if loop_delay < 0:
        return None
    if step.worked:
        return 0
    if step.waits:
        return loop_delay or POLL
    return loop_delay or None
