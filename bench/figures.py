"""Medians, ratios and percentiles, and their format."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """A median with its extremes."""

    middle: float
    low: float
    high: float

    def show(self, digits: int = 2, unit: str = "") -> str:
        """Like `4.10 s (3.98 to 4.41)`."""
        text = f"{self.middle:,.{digits}f}{unit}"
        if self.low != self.high:
            text += f" ({self.low:,.{digits}f} to {self.high:,.{digits}f})"
        return text


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum."""
    return Spread(median(values), min(values), max(values))


def ratio(upper: Sequence[float], lower: Sequence[float]) -> Spread:
    """The ratio of the medians; the extremes are those of the per-round ratios."""
    pairs = [a / b for a, b in zip(upper, lower, strict=False)]
    return Spread(median(upper) / median(lower), min(pairs), max(pairs))


def paired(upper: Sequence[float], lower: Sequence[float]) -> Spread:
    """The per-round ratios: least affected by a machine whose speed varies."""
    return spread([a / b for a, b in zip(upper, lower, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that this percentage does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
