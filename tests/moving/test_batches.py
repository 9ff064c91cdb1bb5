"""How much one batch spans."""

import pytest

from queue_mover.model import Outcome, Result
from tests.moving.pair import Pair, age


def moved(*counts: int) -> list[Outcome]:
    """Batches with so many events."""
    return [Outcome(Result.MOVED, count) for count in counts]


def test_no_tick_no_batch(registered: Pair) -> None:
    assert registered.move() == []
    assert registered.subscription() == (registered.position, None, None)


def test_an_empty_batch_moves_the_position(registered: Pair) -> None:
    tick = registered.tick()
    assert registered.move() == moved(0)
    assert registered.position == tick
    assert registered.target_events.count() == 0


def test_two_hundred_thousand_events_in_one_tick(registered: Pair) -> None:
    tick = registered.produce(200_000)
    assert registered.move() == moved(200_000)
    assert registered.position == tick
    registered.assert_identical()


def test_a_batch_spans_all_waiting_ticks(registered: Pair) -> None:
    tick = [registered.produce(10) for _ in range(50)][-1]
    assert registered.move() == moved(500)
    assert registered.position == tick
    registered.assert_identical()


def test_a_batch_spans_empty_ticks(registered: Pair) -> None:
    for size in (0, 0, 10, 0, 0):
        registered.produce(size)
    assert registered.move() == moved(10)


def test_only_empty_ticks_are_one_batch(registered: Pair) -> None:
    for _ in range(20):
        registered.tick()
    assert registered.move() == moved(0)


@pytest.mark.parametrize("limit", [1, 7, 10, 35, 99])
def test_a_batch_ends_at_the_tick_that_reaches_the_limit(registered: Pair, limit: int) -> None:
    # given ten ticks of ten events
    for _ in range(10):
        registered.produce(10)
    # when they are moved with a limit
    outcomes = registered.move(max_events=limit)
    # then no batch goes on beyond the tick that reaches it, and batches are as few as can be told
    counts = [outcome.count for outcome in outcomes]
    assert sum(counts) == 100
    assert max(counts) < limit + 10
    assert len(counts) <= 1 + 2 * 100 // max(limit, 10)
    registered.assert_identical()


def test_one_tick_larger_than_the_limit_is_one_batch(registered: Pair) -> None:
    registered.produce(100)
    registered.produce(1)
    assert registered.move(max_events=10) == moved(100, 1)


def test_event_ids_that_start_again_at_1(registered: Pair) -> None:
    """As in a copy of the database without its sequences. PgQ's ticker goes on with a warning."""
    registered.produce(20)
    mover = registered.mover()
    assert [outcome.count for outcome in registered.move(mover)] == [20]
    registered.source.execute(
        "select setval(queue_event_seq, 1) from pgq.queue where queue_name = %s", [registered.queue]
    )
    # when ticks have lower event numbers than the position, and then higher ones
    for label in ("low", "lower", "high"):
        registered.produce(25 if label == "high" else 5, label=label)
        assert sum(outcome.count for outcome in registered.move(mover)) > 0
    # then nothing waits
    assert registered.compared().missing == 0


def test_without_a_limit_it_is_one_tick_at_a_time(registered: Pair) -> None:
    for size in (3, 0, 4, 0, 0, 5):
        registered.produce(size)
    assert registered.move(max_events=0) == moved(3, 0, 4, 0, 0, 5)
    registered.assert_identical()


def test_collecting_waits_for_enough_events(registered: Pair) -> None:
    # given four events
    registered.produce(2)
    registered.produce(2)
    mover = registered.mover(min_events=5)
    # then they are not enough
    assert mover.move_batch().result is Result.IDLE
    # when one more comes, they come together
    registered.produce(1)
    assert registered.move(mover) == moved(5)
    registered.assert_identical()


def test_collecting_waits_for_enough_time(registered: Pair) -> None:
    # given events of the last hour
    registered.produce(2)
    registered.produce(2)
    mover = registered.mover(min_interval="1 hour")
    # then they do not span enough
    assert mover.move_batch().result is Result.IDLE
    # when the position is long ago, they do
    age(registered, "61 minutes", first=True)
    assert registered.move(mover) == moved(4)


def test_collecting_replaces_the_limit(registered: Pair) -> None:
    for _ in range(5):
        registered.produce(10)
    assert registered.move(min_events=25, max_events=5) == moved(50)
