"""The results of a row, as values."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One line of the table of goals."""

    work: str
    goal: str
    measured: str
    met: bool | None
    """None if the goal sets no limit."""


@dataclass(frozen=True)
class Bar:
    """One bar of a chart, with its extremes."""

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Chart:
    """Horizontal bars in one unit; less is better."""

    name: str
    title: str
    unit: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Outcome:
    """The results of a row."""

    title: str
    findings: tuple[Finding, ...]
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = field(default=())
