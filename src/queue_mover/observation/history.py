"""The last half hour in a few numbers, however much happens in it."""

import math
from array import array

PERIOD = 30.0
"""Seconds that one number stands for."""

PERIODS = 60
"""How many are kept: half an hour."""


class History:
    """A ring of numbers, one for each period of a monotonic clock; the oldest are overwritten.

    `empty` is the number of a period in which nothing was noted.
    """

    __slots__ = ("_empty", "_newest", "_values")

    def __init__(self, empty: float = 0.0) -> None:
        self._empty = empty
        self._values: array[float] | None = None
        self._newest = 0

    def add(self, now: float, value: float) -> None:
        """Add to the number of the current period."""
        ring = self._advance(now)
        ring[self._newest % PERIODS] += value

    def put(self, now: float, value: float) -> None:
        """Replace the number of the current period."""
        ring = self._advance(now)
        ring[self._newest % PERIODS] = value

    def values(self, now: float) -> tuple[float, ...]:
        """The numbers, oldest first; the last one is of the current period, which has not ended.
        Nothing at all where nothing has ever been noted."""
        if self._values is None:
            return ()
        ring = self._advance(now)
        first = self._newest + 1
        return tuple(ring[(first + step) % PERIODS] for step in range(PERIODS))

    def _advance(self, now: float) -> "array[float]":
        period = int(now // PERIOD)
        if self._values is None:
            self._values = array("d", [self._empty]) * PERIODS
            self._newest = period
        for passed in range(max(self._newest + 1, period - PERIODS + 1), period + 1):
            self._values[passed % PERIODS] = self._empty
        self._newest = max(self._newest, period)
        return self._values


NOTHING = math.nan
"""What stands for a period of which nothing is known."""
