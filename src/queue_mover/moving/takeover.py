"""Where a consumer resumes that replaces another one: pure functions, and their messages."""

from collections.abc import Callable, Mapping

from queue_mover.errors import NotReadyError
from queue_mover.model import Position, Registration, Route
from queue_mover.moving.decision import rewritten
from queue_mover.observation.left_behind import LeftBehind, fits


def take_over_tick(
    route: Route,
    source: str,
    old: tuple[str, Registration | None, Position | None],
    new: tuple[Registration | None, Position | None],
    mark_of: Callable[[int], str | None],
) -> int:
    """The tick from which the route's consumer resumes when it replaces an old one.

    `source` is the identity of the source queue; `old` is the old consumer's name, registration
    and position, `new` those of the route's own; `mark_of` reads a tick's mark on the source,
    None if the tick is gone. Raises NotReadyError, with the remedy, where a position cannot be
    taken over without losing or doubling events.
    """
    name, registration, position = old
    start = position or registration
    if name == route.consumer:
        refusal = (
            f'consumer "{name}" is the one that would take over; remedy: name the old one, or'
            " --rewind, which resumes from its own position"
        )
    elif start is None:
        refusal = (
            f'consumer "{name}" is not registered on queue "{route.queue}" and has no position'
            " on the target: nothing to take over; remedy: correct the name"
        )
    else:
        refusal = (
            _refuse_position(name, position, source)
            or _refuse_successor(route, name, start.tick, registration, new)
            or _refuse_unknown_source(route, old, new[0])
            or _refuse_tick(name, start.tick, position, mark_of(start.tick))
        )
        if not refusal:
            return start.tick
    raise NotReadyError(refusal)


def taken_over(tick: int, left_behind: Mapping[str, LeftBehind]) -> str | None:
    """The old consumer of a --take-over that has changed the source and not yet the target.

    `tick`: of the registration of a consumer without a position. The old one is not registered, and
    its position is at that tick; or after it, where a batch was on its way in a shared transaction.
    """
    for name, (registration, position) in left_behind.items():
        if registration is None and position.tick >= tick:
            return name
    return None


def _refuse_position(name: str, position: Position | None, source: str) -> str:
    if position is None or position.source in (None, source):
        return ""
    return (
        f'the position of consumer "{name}", tick {position.tick}, belongs to another source'
        f" ({position.source}), not to this one ({source}); remedy: if it is the same queue, moved"
        f" or upgraded, first --accept-source with --consumer {name}"
    )


def _refuse_successor(
    route: Route,
    name: str,
    tick: int,
    old: Registration | None,
    new: tuple[Registration | None, Position | None],
) -> str:
    """Registered with the old one gone, the takeover was interrupted: complete it. The old position
    may be after the registration, see `taken_over`."""
    registration, position = new
    if position is not None:
        return (
            f'consumer "{route.consumer}" has a position of its own, tick {position.tick}; remedy:'
            f" if it has taken over already, --consumer {name} --unregister removes the old one;"
            " else --unregister it first, and what it has moved is moved again"
        )
    if registration and (old or registration.tick > tick):
        return (
            f'consumer "{route.consumer}" is already registered, at tick {registration.tick};'
            " remedy: --unregister it first"
        )
    return ""


def _refuse_unknown_source(
    route: Route,
    old: tuple[str, Registration | None, Position | None],
    successor: Registration | None,
) -> str:
    name, registration, position = old
    if position is None or position.source is not None or fits(registration, position.tick):
        return ""
    if successor:
        return ""
    return (
        f'the position of consumer "{name}", tick {position.tick}, has no recorded source, and'
        f' does not match its registration on queue "{route.queue}"; remedy: if it belongs to this'
        f" queue, first --rewind with --consumer {name}"
    )


def _refuse_tick(name: str, tick: int, position: Position | None, mark: str | None) -> str:
    if mark is None:
        return (
            f'the source no longer has tick {tick} of consumer "{name}"; remedy: --register starts'
            f" again at the newest tick, and --consumer {name} --unregister removes the old one"
        )
    if position and position.mark not in (None, mark):
        # The mover would notice, but not after a crash before the position is transferred.
        return (
            f"Lost position: {rewritten(tick)}; remedy: compare both queues, then --accept-source"
            f" with --consumer {name} counts the source's events up to tick {tick} as moved"
        )
    return ""
