"""pgq_keep_lag: stay behind the head, never stand still."""

from collections.abc import Sequence

import pytest

from queue_mover.model import Result
from tests.moving.pair import Pair, age

LAG = "1 hour"


def test_young_events_stay(registered: Pair) -> None:
    registered.produce(10)
    assert registered.move(keep_lag=LAG) == []
    assert registered.target_events.count() == 0


def test_events_come_when_they_are_old_enough(registered: Pair) -> None:
    registered.produce(10)
    mover = registered.mover(keep_lag=LAG)
    assert mover.move_batch().result is Result.IDLE
    age(registered, "2 hours")
    registered.move(mover)
    registered.assert_identical()


@pytest.mark.parametrize("limit", [0, 1, 15, 50_000])
@pytest.mark.parametrize(
    ("old", "young"),
    [
        ([10], [10]),
        ([10] * 20, [10] * 20),
        ([10] * 20, [1]),
        ([1], [10] * 20),
        ([0] * 5, [10]),
        ([10, 0, 0, 0], [10]),
        ([0, 0, 0, 10], [0, 10]),
        ([1, 0, 1, 0, 1], [0, 0, 1]),
        ([10] * 20, []),
        # A ticker goes on when the producer has nothing to say: it must not hold up what is old.
        ([10], [0]),
        ([10] * 20, [0]),
        ([10, 0], [0, 0, 0]),
    ],
    ids=lambda sizes: f"{sizes}".replace(" ", ""),
)
def test_all_old_events_and_no_young_one(
    registered: Pair, old: Sequence[int], young: Sequence[int], limit: int
) -> None:
    # given ticks with these numbers of events
    for size in old:
        registered.produce(size, label="old")
    age(registered, "2 hours")
    for size in young:
        registered.produce(size, label="young")
    # when all batches are moved that there are
    outcomes = registered.move(keep_lag=LAG, max_events=limit)
    # then exactly the old events are there
    arrived = [str(event.data).partition(":")[0] for event in registered.target_events.read()]
    assert arrived == ["old"] * sum(old)
    # in fewer batches than ticks, if that is allowed
    if limit == 50_000 and len(old) == 20:
        assert len(outcomes) <= 10


def test_the_rest_comes_when_it_is_old_enough(registered: Pair) -> None:
    for _ in range(20):
        registered.produce(10)
    age(registered, "2 hours")
    for _ in range(20):
        registered.produce(10)
    mover = registered.mover(keep_lag=LAG)
    registered.move(mover)
    assert registered.target_events.count() == 200
    age(registered, "2 hours")
    registered.move(mover)
    registered.assert_identical()
