"""Consumers left behind: they moved this queue to this target under another name.

A new consumer starts at the newest tick, so the events waiting for an old one would never be
moved. Registration sets a position on the target, by which an old one is recognised; one whose
position was forgotten may just as well have nothing to do with this target.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from queue_mover.model import Position, Registration, Route
from queue_mover.pgq import source, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

LeftBehind = tuple[Registration | None, Position]
"""Registration and position of such a consumer; no registration: unregistered, with its position
still on the target."""


@dataclass(frozen=True, slots=True)
class Others:
    """The other consumers of a queue that this process does not run."""

    left_behind: Mapping[str, LeftBehind]
    without_position: Sequence[Registration]
    """Those that wait with events, and have no position on the target."""
    own: Registration | None
    """That of the route's consumer."""


def read_others(
    src: Connection,
    dst: Connection,
    route: Route,
    identity: str,
    running: Collection[str],
    *,
    remembers: bool,
) -> Others:
    """The consumers of this queue, other than the `running` ones."""
    with translating_errors("source", route.source_flavour):
        registrations = source.registrations(src, route)
    names = [registration.consumer for registration in registrations]
    with translating_errors("target", route.target_flavour):
        positions = target.positions(dst, names, identity, remembers=remembers)
    running = {route.consumer, *running}
    return Others(
        left_behind(registrations, positions, identity, running),
        [
            each
            for each in registrations
            if each.waiting and each.consumer not in positions and each.consumer not in running
        ],
        next((each for each in registrations if each.consumer == route.consumer), None),
    )


def left_behind(
    registrations: Sequence[Registration],
    positions: Mapping[str, Position],
    source: str,
    running: Collection[str],
) -> dict[str, LeftBehind]:
    """The consumers of a source queue with events that a new consumer would not move.

    `registrations` are those on the queue, `positions` those on the target, `source` is the
    queue's identity; `running` are the consumers with a mover.
    A position of another or unknown source counts if its tick matches the registration: the source
    was moved, or an older mover recorded no source.
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
    """Whether a position at this tick matches the registration."""
    return registration is not None and tick in (registration.tick, registration.batch_end)
