"""Durations and counts as text, for tables and messages."""

import math

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def duration(seconds: float | None) -> str:
    """A duration in its two largest units ("2h5m", "3s", "0.25s"); "-" for None."""
    if seconds is None:
        return "-"
    if not math.isfinite(seconds):
        return "never ends"
    if seconds < 0:
        # Clocks differ, or were changed.
        return "-" + duration(-seconds)
    if 0 < seconds < 1:
        return f"{seconds:.2g}s"
    rest, parts = int(seconds), []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == 2 or (parts and not count):
            break
    return "".join(parts) or "0s"


def number(value: float | None) -> str:
    """A count or a rate, with one decimal where it is below 100 and not whole; "-" for None."""
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}"


def counted(count: int, noun: str) -> str:
    """A count with its noun, in the plural unless it is one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size(count: int) -> str:
    """A number of bytes, in the largest unit that leaves one before the point: "1.5 GiB"."""
    value, units = float(count), ["bytes", "KiB", "MiB", "GiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{number(round(value, 1))} {units[0]}" if value < 1024 else f"{value / 1024:.1f} TiB"
