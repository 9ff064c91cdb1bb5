"""What to do with a batch, given what the target has: a pure function, and its words."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum

from queue_mover.errors import NotReadyError
from queue_mover.model import Batch, Position, Registration, Route


class Decision(Enum):
    """What to do with a batch."""

    APPLY = "apply"
    SKIP = "skip"
    """The target has this batch already."""
    STALE = "stale"
    """A partner has moved on since the source gave us this batch."""
    LOST = "lost"
    """The batch is the consumer's own, and the position fits neither end of it."""
    FOREIGN = "foreign"
    """The position came from another source."""
    REWRITTEN = "rewritten"
    """The tick has the right number, yet it is not the one that was applied."""


def decide(
    batch: Batch, position: Position | None, source: str, still_active: Callable[[], bool]
) -> Decision:
    """Compare the ticks at both ends of a batch with the last one that the target has.

    `source` is the identity of the batch's queue. `still_active` asks whether the batch is
    still the consumer's; it is called only when the position fits neither end.
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
    """The operator's line for a decision that stops the mover, with the remedies."""
    if decision is Decision.FOREIGN:
        return foreign_position(position, source)
    if decision is Decision.REWRITTEN:
        return (
            f"Lost position: {_rewritten(position.tick)}; remedy: compare both queues, then"
            f" --accept-source takes the source's events up to tick {position.tick} as moved,"
            " --reset repeats this batch"
        )
    return (
        f"Lost position: batch {batch.start.id}..{batch.end.id}, dst has {position.tick};"
        " remedy: --rewind goes on from the target's position, --reset from the source's"
        " (repeating what the target has)"
    )


def _rewritten(tick: int) -> str:
    return (
        f"tick {tick} of the source is not the tick {tick} that dst has: the source was restored"
        " from a backup, failed over, or its queue made anew"
    )


def foreign_position(position: Position, source: str) -> str:
    """The operator's line for a position that came from another source."""
    return (
        f"the position on the target, tick {position.tick}, belongs to another source"
        f" ({position.source}) than this one ({source}); remedy: a consumer_name of its own for"
        " each source; if it is the same queue, moved or upgraded: --accept-source"
    )


LeftBehind = tuple[Registration | None, Position]
"""What both sides know of a consumer that moved this queue to this target under another name;
no registration: somebody unregistered it and left its position."""


def left_behind(
    registrations: Sequence[Registration],
    positions: Mapping[str, Position],
    source: str,
    running: Collection[str],
) -> dict[str, LeftBehind]:
    """Which consumers of a source queue have events that a new consumer would leave unmoved.

    `registrations` are those on the queue, `positions` those on the target, `source` is the
    queue's identity; `running` are the consumers that somebody looks after.
    A position of another source, or of an unknown one, counts where its tick is one that the
    registration would have: the source was moved, or an older mover recorded no source.
    """
    known = {registration.consumer: registration for registration in registrations}
    found: dict[str, LeftBehind] = {}
    for consumer, position in positions.items():
        registration = known.get(consumer)
        if consumer not in running and (
            position.source == source or fits(registration, position.tick)
        ):
            found[consumer] = (registration, position)
    return found


def fits(registration: Registration | None, tick: int) -> bool:
    """Whether a position at this tick is one that a mover of the registration leaves."""
    return registration is not None and tick in (registration.tick, registration.batch_end)


def explain_left_behind(route: Route, found: Mapping[str, LeftBehind]) -> str:
    """The operator's line for consumers left behind, with the ways out."""
    told = "; ".join(
        f'"{name}" has, up to tick {position.tick}, '
        + (f"{registration.waiting} events wait there" if registration else "and was unregistered")
        for name, (registration, position) in found.items()
    )
    old = next(iter(found)) if len(found) == 1 else "OLD"
    return (
        f'consumer "{route.consumer}" has not moved queue "{route.queue}" to this target before,'
        f" but {told}; remedy: consumer_name = {old} goes on from there, --take-over {old} moves"
        " that position here, --register starts anew from now"
    )


def take_over_tick(
    route: Route,
    source: str,
    old: tuple[str, Registration | None, Position | None],
    new: tuple[Registration | None, Position | None],
    mark_of: Callable[[int], str | None],
) -> int:
    """The tick from which the route's consumer goes on in the place of an old one.

    `source` is the identity of the source queue; `old` is the old consumer's name, registration
    and position, `new` what both sides know of the route's own; `mark_of` asks the source for a
    tick's mark, None when it does not have the tick. Raises NotReadyError, with the remedy, where
    a position cannot be taken over without losing or doubling events.
    """
    (name, old_registration, old_position), (registration, position) = old, new
    if name == route.consumer:
        raise NotReadyError(
            f'consumer "{name}" is the one that would take over; remedy: name the old one, or'
            " --rewind, which goes on from its own position"
        )
    standing = old_position or old_registration
    if standing is None:
        raise NotReadyError(
            f'consumer "{name}" is neither registered on queue "{route.queue}" nor has it a'
            " position on the target: nothing to take over; remedy: correct the name"
        )
    if old_position and old_position.source not in (None, source):
        raise NotReadyError(
            f'the position of consumer "{name}", tick {old_position.tick}, belongs to another'
            f" source ({old_position.source}) than this one ({source}); remedy: if it is the same"
            f" queue, moved or upgraded: first --accept-source with --consumer {name}"
        )
    tick = standing.tick
    if position is not None:
        raise NotReadyError(
            f'consumer "{route.consumer}" has a position of its own, tick {position.tick};'
            f" remedy: if it has taken over already, --consumer {name} --unregister removes what"
            f" is left of the old one; else --unregister it first, which makes what it has moved"
            " come again"
        )
    if registration and (old_registration or registration.tick != tick):
        raise NotReadyError(
            f'consumer "{route.consumer}" is registered already, at tick {registration.tick};'
            " remedy: --unregister it first"
        )
    unknown = old_position is not None and old_position.source is None
    if unknown and not registration and not fits(old_registration, standing.tick):
        raise NotReadyError(
            f'the position of consumer "{name}", tick {tick}, does not say which source it came'
            f' from, and does not fit its registration on queue "{route.queue}"; remedy: if it is'
            f" this queue: first --rewind with --consumer {name}"
        )
    mark = mark_of(tick)
    if mark is None:
        raise NotReadyError(
            f'the source does not have tick {tick} of consumer "{name}" any more; remedy:'
            f" --register starts anew from now, and --consumer {name} --unregister removes what is"
            " left of the old one"
        )
    if old_position and old_position.mark not in (None, mark):
        # Its mover would find out; a crash before the position is handed over would hide it.
        raise NotReadyError(
            f"Lost position: {_rewritten(tick)}; remedy: compare both queues, then --accept-source"
            f" with --consumer {name} takes the source's events up to tick {tick} as moved"
        )
    return tick
