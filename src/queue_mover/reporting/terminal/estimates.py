"""How fast a source moves, what is left, and for how long: pure values from what was seen."""

import math
from dataclasses import dataclass, field

from queue_mover.observation.progress import MoverSnapshot

RATE_SECONDS = 10.0
"""Over which events per second are averaged."""

LEFT_SECONDS = 30.0
"""The same for the time left, which should not jump."""

CAUGHT_UP = 2.0
"""Seconds of work that a mover always has before it: no backlog to show a bar for."""


class Rate:
    """The average growth of a number per second, weighted so that older growth counts less."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: tuple[float, float] | None = None
        self._sum = self._weight = 0.0

    def add(self, total: float, now: float) -> None:
        """The number at a time, in seconds. Where it has fallen, it has not grown."""
        if self._last is None:
            self._last = total, now
            return
        before, since = self._last
        if now <= since:
            return
        kept = math.exp(-(now - since) / self._seconds)
        self._sum = self._sum * kept + (1 - kept) * max(0.0, total - before) / (now - since)
        self._weight = self._weight * kept + 1 - kept
        self._last = total, now

    @property
    def value(self) -> float | None:
        """None: it has been seen once at most."""
        return self._sum / self._weight if self._weight else None


@dataclass(frozen=True, slots=True)
class Reading:
    """One source at one moment."""

    mover: MoverSnapshot
    rate: float | None = None
    """Events per second."""
    left: float | None = None
    """Events that wait. None: not known yet."""
    share: float | None = None
    """Of the backlog, how much has been moved since it was largest. None: caught up, or unknown."""
    seconds_left: float | None = None
    """Until it has caught up; infinite: more arrives than is moved. None: unknown."""
    lag: float | None = None
    """In seconds, see the glossary."""


@dataclass(slots=True)
class Estimate:
    """What is remembered of one source between two moments."""

    _moved: Rate = field(default_factory=lambda: Rate(RATE_SECONDS))
    _done: Rate = field(default_factory=lambda: Rate(LEFT_SECONDS))
    _arriving: Rate = field(default_factory=lambda: Rate(LEFT_SECONDS))
    _produced: float | None = None
    """Event numbers: those that were waiting when it was last read, and those done by then."""
    _largest: float = 0.0
    _lag: float | None = None
    _read: float = 0.0
    _batches: int = -1
    """How many had been moved when it was read."""

    def read(
        self,
        backlog: int | None,
        lag: float | None,
        before: MoverSnapshot,
        after: MoverSnapshot,
        now: float,
    ) -> None:
        """The database says that so many events wait, and since when.
        `before` and `after`: what the mover had done around that."""
        self._lag = lag if lag is not None and math.isfinite(lag) else None
        self._read, self._batches = now, after.batches
        if backlog is None:
            self._produced = None
            return
        if after.batches - before.batches == 1 and after.span > before.span and self._produced:
            # Whether the backlog includes that batch, which may be large, is not known.
            return
        self._produced = backlog + (before.span + after.span) / 2
        self._arriving.add(self._produced, now)

    def at(self, mover: MoverSnapshot, now: float) -> Reading:
        """What is shown now."""
        batch = mover.batch
        inside = batch.events if batch else 0
        self._moved.add(mover.events + inside, now)
        done = mover.span + (min(inside, batch.total) if batch and batch.total else 0)
        self._done.add(done, now)
        left = None if self._produced is None else max(0.0, self._produced - done)
        share = seconds = None
        if left is not None:
            seconds = self._seconds_left(left)
            share = self._share(left, seconds)
        return Reading(mover, self._moved.value, left, share, seconds, self._lag_now(mover, now))

    def _seconds_left(self, left: float) -> float | None:
        if not left:
            return 0.0
        done = self._done.value
        if not done or done < 1:
            return None
        gain = done - (self._arriving.value or 0.0)
        if left / done < CAUGHT_UP:
            return 0.0
        return left / gain if gain > 0 else math.inf

    def _share(self, left: float, seconds: float | None) -> float | None:
        if seconds == 0:
            self._largest = 0.0
            return None
        self._largest = max(self._largest, left)
        return 1 - left / self._largest

    def _lag_now(self, mover: MoverSnapshot, now: float) -> float | None:
        if self._lag is None:
            return None
        waited = now - self._read if mover.batches == self._batches else 0.0
        return self._lag + waited
