"""Formatting for people."""

import pytest

from queue_mover.observation.formatting import counted, duration, number
from queue_mover.postgres.statements import quote_literal
from queue_mover.reporting.tables import columns


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0s"),
        (0.004, "0.004s"),
        (0.25, "0.25s"),
        (0.999, "1s"),
        (1, "1s"),
        (3.7, "3s"),
        (59.99, "59s"),
        (60, "1m"),
        (61, "1m1s"),
        (3600, "1h"),
        (3605, "1h"),
        (7500, "2h5m"),
        (86400, "1d"),
        (86400 + 59 * 60, "1d"),
        (100 * 86400 + 3 * 3600 + 59, "100d3h"),
        (-5, "-5s"),
        (float("inf"), "never ends"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (0.04, "0.0"), (12.34, "12.3"), (99.96, "100.0"), (1234.5, "1234"),
     (7.0, "7"), (10**12, "1000000000000"), (-3, "-3")],
)  # fmt: skip
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 sources"), (1, "1 source"), (2, "2 sources")])
def test_counted(count: int, text: str) -> None:
    assert counted(count, "source") == text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns(
        [("", "Name", "N"), ("T", "short", "1"), ("", "rather long", "1000")], "<<>"
    ) == [
        "   Name            N",
        "T  short           1",
        "   rather long  1000",
    ]


def test_last_cell_of_a_short_row_widens_nothing() -> None:
    assert columns([("", "A", "B"), ("", "a heading of its own"), ("", "a", "b")], "<<<") == [
        "  A  B",
        "  a heading of its own",
        "  a  b",
    ]


def test_literal_can_be_pasted() -> None:
    assert quote_literal("it's") == "'it''s'"
