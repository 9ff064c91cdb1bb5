"""A streak of errors: how long to wait before the next retry, and what to log."""

from dataclasses import dataclass

FIRST_WAIT = 1.0
"""Seconds before the first retry."""


@dataclass(slots=True)
class Backoff:
    """Consecutive errors. All times are in seconds, of any one clock."""

    longest_wait: float
    grace: float
    reset: float
    _failures: int = 0
    _since: float | None = None
    _message: str = ""

    def failed(self, now: float, message: str) -> bool:
        """Record an error. Returns whether its message differs from the previous one."""
        if self._since is None:
            self._since = now
        news = not self._failures or message != self._message
        self._failures += 1
        self._message = message
        return news

    def succeeded(self, now: float) -> bool:
        """Record a success. Returns whether it ends a streak of errors."""
        recovered = self._failures > 0
        self._failures = 0
        if self._since is not None and now > self._since + self.reset:
            self._since = None
        return recovered

    def wait(self) -> float:
        """Seconds to wait: FIRST_WAIT, doubling up to the longest wait."""
        doublings = min(self._failures - 1, 30)
        return min(FIRST_WAIT * 2.0**doublings, self.longest_wait)

    def in_grace(self, now: float) -> bool:
        """Whether quiet errors are still logged without traceback."""
        return self._since is None or now < self._since + self.grace
