"""What becomes of a batch, given what the target has: a table."""

import pytest

from queue_mover.model import Batch, Position, Tick
from queue_mover.moving.decision import Decision, decide

HERE = "this source"
BATCH = Batch(1, Tick(10, "mark of 10"), Tick(15, "mark of 15"), "select")


def must_not_ask() -> bool:
    raise AssertionError("the source was asked, although the position tells")


@pytest.mark.parametrize(
    ("position", "decision"),
    [
        (None, Decision.APPLY),
        # An old position knows its tick only.
        (Position(10), Decision.APPLY),
        (Position(15), Decision.SKIP),
        # One whose source is known, but not how the tick looked.
        (Position(10, HERE), Decision.APPLY),
        (Position(15, HERE), Decision.SKIP),
        # One that knows all.
        (Position(10, HERE, "mark of 10"), Decision.APPLY),
        (Position(15, HERE, "mark of 15"), Decision.SKIP),
        # The right number, of another tick.
        (Position(10, HERE, "mark of 15"), Decision.REWRITTEN),
        (Position(15, HERE, "mark of 10"), Decision.REWRITTEN),
        (Position(10, None, "another mark"), Decision.REWRITTEN),
        # Another source, wherever it stands.
        (Position(10, "another source", "mark of 10"), Decision.FOREIGN),
        (Position(15, "another source", "mark of 15"), Decision.FOREIGN),
        (Position(99, "another source", "mark of 99"), Decision.FOREIGN),
        (Position(10, "", None), Decision.FOREIGN),
    ],
)
def test_decided_without_asking(position: Position | None, decision: Decision) -> None:
    assert decide(BATCH, position, HERE, must_not_ask) is decision


@pytest.mark.parametrize("source", [None, HERE])
@pytest.mark.parametrize("tick", [-1, 0, 9, 11, 14, 16, 2**62])
def test_a_position_elsewhere(tick: int, source: str | None) -> None:
    position = Position(tick, source, "some mark")
    assert decide(BATCH, position, HERE, lambda: True) is Decision.LOST
    assert decide(BATCH, position, HERE, lambda: False) is Decision.STALE


def test_the_source_is_asked_once() -> None:
    asked: list[bool] = []

    def still_active() -> bool:
        asked.append(True)
        return True

    decide(BATCH, Position(12), HERE, still_active)
    assert asked == [True]


def test_an_error_of_the_source_is_not_a_decision() -> None:
    def gone() -> bool:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        decide(BATCH, Position(12), HERE, gone)
