"""The states of targets that many movers of one process check when they start together."""

import time
from dataclasses import dataclass, field

from queue_mover.model import Flavour, Route
from queue_mover.observation.side_states import TargetState

GOOD_FOR = 1.0
"""Seconds for which movers that start use the state that another one has read."""


@dataclass(slots=True)
class TargetStates:
    """The states of one target, by its queues. Only those without findings are kept."""

    _found: dict[tuple[object, ...], tuple[float, Flavour, TargetState]] = field(
        default_factory=dict
    )

    def recent(self, route: Route) -> tuple[Flavour, TargetState] | None:
        """The flavour and the state that another mover has just read; None: they must be read."""
        found = self._found.get(_key(route))
        if found is None or time.monotonic() - found[0] > GOOD_FOR:
            return None
        return found[1:]

    def keep(self, route: Route, state: TargetState) -> None:
        """Keep what a mover has just read, and found usable."""
        self._found[_key(route)] = (time.monotonic(), route.target_flavour, state)


def _key(route: Route) -> tuple[object, ...]:
    """What the state depends on, apart from the target itself."""
    found = None if route.finds_target_flavour else route.target_flavour
    return route.target_queue, route.split_field, found
