"""Consumers left behind: they moved this queue to this target under another name.

A consumer that registers beside one begins at the newest tick, and what waits for the old one
would never be moved. The position on the target tells them from consumers that have nothing to
do with this target; registration sets it. One whose position was forgotten may be either.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from queue_mover.model import Position, Registration, Route
from queue_mover.pgq import source, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

LeftBehind = tuple[Registration | None, Position]
"""What both sides know of such a consumer; no registration: it was unregistered, and its position
left on the target."""


@dataclass(frozen=True, slots=True)
class Others:
    """The other consumers of a queue that this process does not run."""

    left_behind: Mapping[str, LeftBehind]
    without_position: Sequence[Registration]
    """Those that wait with events, and have no position on the target."""


def read_others(
    src: Connection,
    dst: Connection,
    route: Route,
    identity: str,
    running: Collection[str],
    *,
    remembers: bool,
) -> Others:
    """What both sides know of the consumers of this queue, other than the `running` ones."""
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
    )


def left_behind(
    registrations: Sequence[Registration],
    positions: Mapping[str, Position],
    source: str,
    running: Collection[str],
) -> dict[str, LeftBehind]:
    """Which consumers of a source queue have events that a new consumer would not move.

    `registrations` are those on the queue, `positions` those on the target, `source` is the
    queue's identity; `running` are the consumers that have a mover.
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
