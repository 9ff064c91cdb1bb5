"""The text of each row, and the choice of rows when not all fit."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from queue_mover.observation.formatting import counted, duration
from queue_mover.observation.progress import MoverSnapshot, State
from queue_mover.reporting.terminal.estimates import Reading

BROKEN = (State.FAILING, State.STOPPED)

LONG_BATCH = 1.0
"""Seconds after which a batch is shown while it is copied."""

_SIZES = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    state: str
    broken: bool
    share: float | None
    left: str
    time_left: str
    rate: str
    lag: str
    batch: str
    errors: str


def compact(value: float | None) -> str:
    """A count in at most five characters ("9999", "12.3k", "1.25M"); "-" for None."""
    if value is None:
        return "-"
    for size, unit in _SIZES:
        if value >= size * (10 if size == 10**3 else 1):
            number = value / size
            return f"{number:.{2 if number < 10 else 1 if number < 100 else 0}f}{unit}"
    return f"{value:.0f}"


def choose(readings: Sequence[Reading], room: int) -> list[int]:
    """The indexes of the worst readings, `room` at most, in the given order."""
    if len(readings) <= room:
        return list(range(len(readings)))

    def badness(index: int) -> tuple[bool, float, float]:
        each = readings[index]
        return each.mover.state in BROKEN, each.left or 0.0, each.lag or 0.0

    return sorted(sorted(range(len(readings)), key=badness, reverse=True)[: max(0, room)])


def row(reading: Reading) -> Row:
    """The row of one source."""
    mover = reading.mover
    return Row(
        mover.source,
        mover.state.value,
        mover.state in BROKEN,
        reading.share,
        compact(reading.left),
        _time_left(reading),
        compact(reading.rate),
        _seconds(reading.lag),
        _batch(reading),
        _errors([mover]),
    )


def total(readings: Sequence[Reading]) -> Row:
    """All sources in one row: sums, the longest time left, and the largest lag."""
    movers = [each.mover for each in readings]
    lefts = [each.left for each in readings if each.left is not None]
    draining = [each for each in readings if each.share is not None and each.left]
    largest = sum((each.left or 0) / (1 - (each.share or 0)) for each in draining)
    slowest = max(draining, key=lambda each: each.seconds_left or 0.0, default=None)
    rates = [each.rate for each in readings if each.rate is not None]
    broken = sum(mover.state in BROKEN for mover in movers)
    return Row(
        f"{len(readings)} sources",
        f"{broken} failing" if broken else "",
        bool(broken),
        1 - sum(each.left or 0 for each in draining) / largest if largest else None,
        compact(sum(lefts) if lefts else None),
        _time_left(slowest) if slowest else "",
        compact(sum(rates) if rates else None),
        _seconds(max((each.lag for each in readings if each.lag is not None), default=None)),
        "",
        _errors(movers),
    )


def others(readings: Sequence[Reading]) -> str:
    """A line about the sources that are not shown."""
    states = Counter(each.mover.state.value for each in readings)
    words = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return f"{counted(len(readings), 'more source')}: {words}"


def problems(readings: Sequence[Reading], room: int) -> list[str]:
    """The last errors of the sources that fail now, each error once, `room` lines at most."""
    sources: dict[str, list[str]] = {}
    for mover in (each.mover for each in readings):
        if mover.state in BROKEN and mover.last_errors:
            error = mover.last_errors[0]
            remedy = f"; remedy: {error.remedy}" if error.remedy else ""
            sources.setdefault(f"{error.text}{remedy}", []).append(mover.source)
    by_count = sorted(sources.items(), key=lambda each: -len(each[1]))
    lines = [
        f"{names[0] if len(names) == 1 else f'{len(names)} sources'}: {text}"
        for text, names in by_count
    ]
    if len(lines) > room:
        kept = max(0, room - 1)
        lines[kept:] = [f"{counted(len(lines) - kept, 'more error')}; see the log"]
    return lines[:room]


def summary(movers: Sequence[MoverSnapshot], seconds: float) -> str:
    """The summary of a run of so many seconds, in one line."""
    events, batches = sum(each.events for each in movers), sum(each.batches for each in movers)
    failures = sum(sum(each.errors.values()) for each in movers)
    quarantined = sum(each.quarantined for each in movers)
    words = [
        f"{counted(events, 'event')} in {counted(batches, 'batch').replace('batchs', 'batches')}",
        f"{seconds:.1f} s",
        counted(failures, "failure"),
    ]
    if quarantined:
        words.append(f"{quarantined} quarantined")
    return f"moved {', '.join(words)}"


def _time_left(reading: Reading) -> str:
    if reading.share is None or reading.seconds_left is None or reading.mover.state in BROKEN:
        return ""
    return "growing" if math.isinf(reading.seconds_left) else _seconds(reading.seconds_left)


def _seconds(value: float | None) -> str:
    return "-" if value is None else duration(round(value, 1) if value < 1 else value)


def _batch(reading: Reading) -> str:
    batch = reading.mover.batch
    if batch and batch.seconds >= LONG_BATCH:
        # A transaction that was open during earlier ticks got its event numbers before them.
        if not batch.total or batch.events > batch.total:
            return f"{compact(batch.events)} so far"
        share = batch.events / batch.total
        return f"{compact(batch.events)}/{compact(batch.total)} {share:.0%}"
    last = reading.last_batch
    return f"{compact(last.events)} in {_seconds(last.seconds)}" if last else ""


def _errors(movers: Sequence[MoverSnapshot]) -> str:
    count = sum(sum(mover.errors.values()) for mover in movers)
    return compact(count) if count else ""
