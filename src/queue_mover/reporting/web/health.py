"""Whether a process is healthy: pure functions over its snapshot."""

from queue_mover.observation.formatting import duration
from queue_mover.observation.progress import MoverSnapshot, ProcessSnapshot, State

SILENCE = 300.0
"""Seconds that a server may take to answer: during a long batch it answers all the time."""

HEALTHY = (State.STARTING, State.RUNNING, State.IDLE, State.STANDBY)


def is_healthy(mover: MoverSnapshot) -> bool:
    """Whether a source progresses, idles or stands by."""
    return mover.state in HEALTHY and mover.unanswered <= SILENCE


def reasons(process: ProcessSnapshot) -> list[str]:
    """Why a process is not healthy: a line for each source that is not; empty: it is healthy."""
    if not process.planned:
        return ["the config has not been read yet; remedy: see the log"]
    return [_reason(mover) for mover in process.movers if not is_healthy(mover)]


def _reason(mover: MoverSnapshot) -> str:
    if mover.state in HEALTHY:
        return f"{mover.source}: a server has not answered for {duration(mover.unanswered)}"
    if not mover.last_errors:
        return f"{mover.source}: {mover.state.value}"
    error = mover.last_errors[0]
    remedy = f"; remedy: {error.remedy}" if error.remedy else ""
    return f"{mover.source}: {mover.state.value}: {error.text}{remedy}"
