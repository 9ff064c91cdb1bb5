"""What to do with a batch, given the position on the target: a pure function, and its messages."""

from collections.abc import Callable
from enum import Enum

from queue_mover.model import Batch, Position
from queue_mover.observation.position_findings import foreign_position


class Decision(Enum):
    """What to do with a batch."""

    APPLY = "apply"
    SKIP = "skip"
    """The target already has this batch."""
    STALE = "stale"
    """Another mover has finished this batch since we allocated it."""
    LOST = "lost"
    """The batch is still active, and the position matches neither end of it."""
    FOREIGN = "foreign"
    """The position came from another source."""
    REWRITTEN = "rewritten"
    """The tick has the same number as the one that was applied, but another mark."""


def decide(
    batch: Batch, position: Position | None, source: str, still_active: Callable[[], bool]
) -> Decision:
    """Compare the ticks at both ends of a batch with the position on the target.

    `source` is the identity of the batch's queue. `still_active` checks whether the batch is
    still active; it is called only when the position matches neither end.
    """
    if position is None:
        return Decision.APPLY
    if position.source not in (None, source):
        return Decision.FOREIGN
    for tick, decision in ((batch.start, Decision.APPLY), (batch.end, Decision.SKIP)):
        if position.tick == tick.id:
            return decision if position.mark in (None, tick.mark) else Decision.REWRITTEN
    return Decision.LOST if still_active() else Decision.STALE


def explain(decision: Decision, batch: Batch, position: Position, source: str) -> str:
    """The message for a decision that stops the mover, with the remedies."""
    if decision is Decision.FOREIGN:
        return foreign_position(position, source)
    if decision is Decision.REWRITTEN:
        return (
            f"Lost position: {rewritten(position.tick)}; remedy: compare both queues, then"
            f" --accept-source counts the source's events up to tick {position.tick} as moved,"
            " --reset repeats this batch"
        )
    return (
        f"Lost position: batch {batch.start.id}..{batch.end.id}, dst has {position.tick};"
        " remedy: --rewind resumes from the target's position, --reset from the source's"
        " (repeating what the target already has)"
    )


def rewritten(tick: int) -> str:
    """Describe a tick of another history than the target's."""
    return (
        f"tick {tick} of the source is not the tick {tick} that dst has: the source was restored"
        " from a backup, failed over, or its queue recreated"
    )
