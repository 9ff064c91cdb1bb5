"""Medians, ratios, percentiles, and how they are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """A median with the extremes around it."""

    middle: float
    low: float
    high: float

    def show(self, digits: int = 2, unit: str = "") -> str:
        """As in `4.10 s (3.98 to 4.41)`."""
        text = f"{self.middle:,.{digits}f}{unit}"
        if self.low != self.high:
            text += f" ({self.low:,.{digits}f} to {self.high:,.{digits}f})"
        return text


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum."""
    return Spread(median(values), min(values), max(values))


def ratio(upper: Sequence[float], lower: Sequence[float]) -> Spread:
    """The ratio of the medians; the extremes are those of the rounds, each divided by its own."""
    pairs = [a / b for a, b in zip(upper, lower, strict=False)]
    return Spread(median(upper) / median(lower), min(pairs), max(pairs))


def paired(upper: Sequence[float], lower: Sequence[float]) -> Spread:
    """The ratios of the single rounds: what a machine that changes its pace disturbs least."""
    return spread([a / b for a, b in zip(upper, lower, strict=True)])


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
