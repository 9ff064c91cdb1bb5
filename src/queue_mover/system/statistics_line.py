"""The statistics line that log collectors parse."""

from collections.abc import Mapping


class StatisticsLine(str):
    """The text of a statistics line, with its values for a log in JSON."""

    values: Mapping[str, object]


def statistics_line(values: Mapping[str, object]) -> StatisticsLine:
    """The line that fifteen years of log collectors parse: `{count: 1000, duration: 0.0527}`."""
    text = ", ".join(f"{key}: {value}" for key, value in values.items())
    line = StatisticsLine(f"{{{text}}}")
    line.values = values
    return line
