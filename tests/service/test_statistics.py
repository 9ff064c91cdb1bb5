"""The lines that log collectors have parsed for fifteen years."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_mover.service.statistics import Statistics
from queue_mover.system.statistics_line import statistics_line

MOMENTS = st.floats(0, 1e7)


def test_a_batch_with_events() -> None:
    statistics = Statistics(keepalive=300, idle_since=100.0)
    assert statistics.begin(100.0067) == {}
    line = statistics_line(statistics.batch(100.0594, 1000))
    assert line == "{count: 1000, duration: 0.0527, idle: 0.0067}"


def test_a_batch_without_events_says_nothing_of_idling() -> None:
    statistics = Statistics(keepalive=300, idle_since=0)
    statistics.begin(1)
    assert statistics_line(statistics.batch(1.25, 0)) == "{count: 0, duration: 0.25}"


def test_idle_is_the_time_since_the_last_batch_that_had_events() -> None:
    statistics = Statistics(keepalive=300, idle_since=0)
    for begin, end, count, expected in [(1, 2, 10, 1), (5, 6, 0, None), (8, 9, 10, 6)]:
        statistics.begin(begin)
        assert statistics.batch(end, count).get("idle") == expected


def test_quarantined_events_are_told_only_where_there_are_some() -> None:
    statistics = Statistics(keepalive=300, idle_since=0)
    statistics.begin(1)
    line = statistics_line(statistics.batch(2, 5, 3))
    assert line == "{count: 5, duration: 1, idle: 1, quarantined: 3}"


@pytest.mark.parametrize(
    ("keepalive", "now", "line"),
    [
        (300, 299.0, "{}"),
        (300, 300.0, "{}"),
        (300, 300.5, "{idle: 300.5}"),
        (0, 0.5, "{idle: 0.5}"),
    ],
)
def test_a_keepalive_line_is_due_after_so_long(keepalive: float, now: float, line: str) -> None:
    assert statistics_line(Statistics(keepalive, idle_since=0).begin(now)) == line


def test_keepalive_lines_come_one_per_period() -> None:
    statistics = Statistics(keepalive=10, idle_since=0)
    due = [now for now in range(60) if statistics.begin(now)]
    assert due == [11, 22, 33, 44, 55]


def test_a_mover_that_fails_is_not_idle() -> None:
    statistics = Statistics(keepalive=10, idle_since=0)
    assert statistics.begin(9, failing_since=3) == {}
    assert statistics_line(statistics.begin(11.5, failing_since=3)) == "{failing: 8.5}"
    # as often as the idle line, which comes again afterwards
    assert statistics.begin(20, failing_since=3) == {}
    assert statistics.begin(23) == {"idle": 11.5}


def test_a_batch_with_events_puts_the_keepalive_line_off() -> None:
    statistics = Statistics(keepalive=10, idle_since=0)
    statistics.begin(9)
    statistics.batch(9.5, 1)
    assert statistics.begin(19) == {}
    assert statistics.begin(20) == {"idle": 10.5}


@given(begin=MOMENTS, duration=MOMENTS, idle=MOMENTS, count=st.integers(1, 10**9))
def test_collectors_can_read_every_line(
    begin: float, duration: float, idle: float, count: int
) -> None:
    statistics = Statistics(keepalive=1e9, idle_since=begin)
    statistics.begin(begin + idle)
    line = statistics_line(statistics.batch(begin + idle + duration, count))
    number = r"\d+\.\d{1,4}"
    found = re.fullmatch(rf"\{{count: (\d+), duration: {number}, idle: {number}\}}", line)
    assert found
    assert int(found[1]) == count
