"""The result of a row, as values."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One line of the table of goals."""

    work: str
    goal: str
    measured: str
    met: bool | None
    """None where the goal is a figure without a limit."""


@dataclass(frozen=True)
class Bar:
    """One bar of a chart, and the extremes around it."""

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Chart:
    """Horizontal bars, all in one unit; less is better."""

    name: str
    title: str
    unit: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Outcome:
    """What a row found."""

    title: str
    findings: tuple[Finding, ...]
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = field(default=())
