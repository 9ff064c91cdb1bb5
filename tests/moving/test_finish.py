"""A batch that is not there any more when it is to be finished: said, and harmless."""

import logging

import pytest

from queue_mover.errors import LostPositionError
from queue_mover.model import Result
from testbed.database import value
from testbed.processes import Process
from tests.moving.holding import hold_copy, stop_copy_at, wait_until_blocked
from tests.moving.pair import Action, Pair

NOT_THERE = "was already finished"
HERE = "stop here"


def finish_by_hand(pair: Pair) -> None:
    """Somebody finishes the consumer's batch from another session."""
    active = pair.subscription()
    assert active is not None
    assert value(pair.source, "select pgq.finish_batch(%s)", active[1]) == 1


def register_anew(pair: Pair, tick: int | None) -> None:
    """Somebody unregisters the consumer and registers it again: at a tick, or the newest."""
    names = [pair.queue, pair.consumer]
    assert value(pair.source, "select pgq.unregister_consumer(%s, %s)", *names)
    assert value(pair.source, "select pgq.register_consumer_at(%s, %s, %s)", *names, tick)


def test_finished_by_somebody_else(registered: Pair, caplog: pytest.LogCaptureFixture) -> None:
    # given a batch that has been moved, and is finished from another session
    mover = registered.mover()
    tick = registered.produce(10)
    assert mover.move_batch().result is Result.MOVED
    finish_by_hand(registered)
    registered.produce(10)
    # when the mover goes on, then it says so, once, and goes on
    with caplog.at_level(logging.WARNING):
        registered.move(mover)
    assert caplog.text.count(NOT_THERE) == 1
    assert f"ticks 1..{tick}" in caplog.text
    registered.assert_identical()


def test_finished_by_somebody_else_when_stopping(
    registered: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    mover = registered.mover()
    registered.produce(10)
    mover.move_batch()
    finish_by_hand(registered)
    with caplog.at_level(logging.WARNING):
        mover.finish()
        mover.finish()
    assert caplog.text.count(NOT_THERE) == 1


def test_nothing_is_said_when_all_is_well(
    registered: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            registered.produce(10)
            registered.move()
    assert caplog.text == ""


def held_in_mid_batch(pair: Pair, meanwhile: Action) -> Process:
    """A running mover, in the middle of whose batch something happened."""
    stop_copy_at(pair, HERE)
    mover = pair.start()
    with hold_copy(pair):
        pair.produce(10, last=HERE)
        wait_until_blocked(pair.target)
        meanwhile()
    return mover


def test_finished_in_mid_batch(pair: Pair) -> None:
    with held_in_mid_batch(pair, lambda: finish_by_hand(pair)) as mover:
        mover.wait_for_output(NOT_THERE)
        pair.produce(10)
        pair.wait_for(21)
        assert mover.stop() == 0
    pair.assert_identical()


def test_registered_anew_where_it_was_in_mid_batch(pair: Pair) -> None:
    # given a consumer that is registered anew at the start of the batch that is on its way
    with held_in_mid_batch(pair, lambda: register_anew(pair, 1)) as mover:
        mover.wait_for_output(NOT_THERE)
        # then the batch that it gets again is skipped
        mover.wait_for_output("batch skipped")
        pair.produce(10)
        pair.wait_for(21)
        assert mover.stop() == 0
    pair.assert_identical()


def test_registered_anew_from_now_in_mid_batch(pair: Pair) -> None:
    # given a consumer that is registered anew behind events that nobody has moved
    def later() -> None:
        pair.produce(10, label="passed over")
        register_anew(pair, None)

    with held_in_mid_batch(pair, later) as mover:
        mover.wait_for_output(NOT_THERE)
        # then it does not pass them over in silence
        pair.produce(10)
        mover.wait_for_output("Lost position: batch 3..4, dst has 2")
        assert mover.wait() == 1


def test_finished_before_it_was_moved(registered: Pair) -> None:
    # given a batch that somebody finishes although nobody has moved it
    registered.produce(10)
    registered.move()
    registered.produce(10, label="finished by hand")
    mover = registered.mover(lambda: finish_by_hand(registered))
    assert mover.move_batch().result is Result.STALE
    # then the mover does not go on as if all were well
    registered.produce(10)
    with pytest.raises(LostPositionError):
        mover.move_batch()
    assert registered.target_events.count() == 10
