"""The speed of a source, its backlog and the time left, estimated from what was read."""

import math
from dataclasses import dataclass, field

from queue_mover.observation.progress import BatchSeen, MoverSnapshot, State

RATE_SECONDS = 5.0
"""Seconds over which events per second are averaged."""

LEFT_SECONDS = 30.0
"""The same for the time left, which should not jump."""

CAUGHT_UP = 2.0
"""A backlog of fewer seconds of work is normal, and shown without a bar."""


class Rate:
    """The average growth of a number per second, weighted so that older growth counts less."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: tuple[float, float] | None = None
        self._sum = self._weight = 0.0

    def add(self, total: float, now: float) -> None:
        """Note the number at a time, in seconds. A fall counts as no growth."""
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
        """Growth per second; None: fewer than two numbers are known."""
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
    """The share of the largest backlog that has been moved, 0 to 1. None: caught up, or unknown."""
    seconds_left: float | None = None
    """Until it has caught up; infinite: events arrive faster than they are moved. None: unknown."""
    lag: float | None = None
    """In seconds, see the glossary."""
    last_batch: BatchSeen | None = None
    """The last one that had events."""


@dataclass(slots=True)
class Estimate:
    """What is kept about one source between two readings."""

    _moved: Rate = field(default_factory=lambda: Rate(RATE_SECONDS))
    _done: Rate = field(default_factory=lambda: Rate(LEFT_SECONDS))
    _arriving: Rate = field(default_factory=lambda: Rate(LEFT_SECONDS))
    _produced: float | None = None
    """Event numbers: those that were waiting when it was last read, and those done by then."""
    _span: int = -1
    """What the mover had done when that was read."""
    _largest: float = 0.0
    _finished: float | None = None
    """When the last finished tick was set, by the clock of this machine."""
    _clock: float = 0.0
    """How far the source's clock is ahead of this machine's, in seconds."""
    _last_batch: BatchSeen | None = None

    def read(
        self,
        backlog: int | None,
        lag: float | None,
        before: MoverSnapshot,
        after: MoverSnapshot,
        now: float,
    ) -> None:
        """Note the backlog and the lag read from the database. `before` and `after`: the mover
        before and after they were read; `now`: seconds since 1970."""
        if lag is not None and math.isfinite(lag):
            self._finished = now - lag
            if after.reached is not None and after.batches == before.batches:
                self._clock = after.reached - self._finished
        self._span = after.span
        if backlog is None:
            self._produced = None
            return
        if after.batches - before.batches == 1 and after.span > before.span and self._produced:
            # Whether the backlog includes that batch, which may be large, is not known.
            return
        self._produced = backlog + (before.span + after.span) / 2
        self._arriving.add(self._produced, now)

    def at(self, mover: MoverSnapshot, now: float) -> Reading:
        """The values to show at a time, in seconds since 1970."""
        if mover.last_batch and mover.last_batch.events:
            self._last_batch = mover.last_batch
        batch = mover.batch
        inside = batch.events if batch else 0
        self._moved.add(mover.events + inside, now)
        done = mover.span + (min(inside, batch.total) if batch and batch.total else 0)
        self._done.add(done, now)
        left = None if self._produced is None else max(0.0, self._produced - done)
        share = seconds = None
        if mover.state is State.IDLE:
            # A backlog read before the last batch is an estimate; an idle mover has none.
            left = left if mover.span == self._span else 0.0
            self._largest = 0.0
        elif left is not None:
            seconds = self._seconds_left(left)
            share = self._share(left, seconds)
        lag = self._lag(mover, now)
        return Reading(mover, self._moved.value, left, share, seconds, lag, self._last_batch)

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

    def _lag(self, mover: MoverSnapshot, now: float) -> float | None:
        finished = self._finished
        if mover.reached is not None:
            finished = mover.reached - self._clock
        return None if finished is None else max(0.0, now - finished)
