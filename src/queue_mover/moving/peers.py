"""What a mover has to do with the other movers of its process."""

from dataclasses import dataclass

from queue_mover.moving.preflight import IsNews, Running
from queue_mover.moving.sharing import Member
from queue_mover.moving.target_states import TargetStates


@dataclass(frozen=True, slots=True)
class Peers:
    """The others."""

    running: Running = frozenset
    """Those that move the same source queue to the same target."""
    sharing: Member | None = None
    """Those with which it may share transactions on the target; None: none."""
    is_news: IsNews = bool
    """Whether none of them has logged this about the target."""
    target_states: TargetStates | None = None
    """What those that start at the same time have found out about it; None: nothing."""


ALONE = Peers()
