"""Something to do periodically, in a loop that waits for other things meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timer:
    """Calls `action` every `period` seconds of the monotonic clock; 0: never."""

    period: float
    action: Callable[[], None]
    _last: float = field(default_factory=time.monotonic)

    def due_in(self, now: float) -> float:
        """Seconds until it is due; infinite when never."""
        return max(0.0, self._last + self.period - now) if self.period else float("inf")

    def ring(self, now: float) -> None:
        """Call the action if it is due."""
        if self.due_in(now) <= 0:
            self._last = now
            self.action()

    def restart(self, period: float) -> None:
        """Count from now on, with another period."""
        self.period, self._last = period, time.monotonic()
