"""A mover that dies at the worst moments: nothing is lost, nothing comes twice."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.processes import wait_until
from tests.moving.holding import (
    end_backends,
    hold_copy,
    hold_source,
    stop_copy_at,
    wait_until_blocked,
)
from tests.moving.pair import Pair

LAST = "the last event of the batch"


@contextmanager
def killed_before_it_finished(pair: Pair) -> Iterator[int]:
    """A mover was killed between its commit on the target and its word to the source.

    Yields the tick at the end of its batch. What the server had been told already stays
    undone as long as the block lasts.
    """
    stop_copy_at(pair, LAST)
    with pair.start() as mover:
        with hold_copy(pair) as copying:
            tick = pair.produce(3000, last=LAST)
            wait_until_blocked(pair.target)
            finishing = hold_source(pair)
            copying.close()
        with finishing:
            wait_until_blocked(pair.source)
            assert pair.position == tick
            mover.kill()
            yield tick


def test_killed_between_commit_and_finish(pair: Pair) -> None:
    # given a mover killed between the target's commit and the source's finish
    with killed_before_it_finished(pair) as tick:
        end_backends(pair.source)
    # then all is on the target, and the source does not know
    pair.assert_identical()
    before = pair.subscription()
    assert before is not None
    assert before[1] is not None
    assert before[2] == tick
    # when it is started again, then it skips the batch, and goes on
    following = pair.produce(5)
    result = pair.command(loop_delay=0).check()
    assert "batch skipped: not applied again" in result.stderr
    pair.assert_identical()
    assert pair.position == following
    assert pair.subscription() == (following, None, None)


def test_killed_between_commit_and_finish_and_the_server_goes_on(pair: Pair) -> None:
    # given the same, but that the server finishes what it had been told
    with killed_before_it_finished(pair):
        pass
    pair.produce(5)
    # when it is started again, then nothing is lost or doubled
    pair.command(loop_delay=0).check()
    pair.assert_identical()


def test_killed_in_mid_copy(pair: Pair) -> None:
    stop_copy_at(pair, LAST)
    # given a mover whose batch is on the target, but for the last event
    with pair.start() as mover, hold_copy(pair):
        before = wait_until(lambda: pair.position, 30, "the first position")
        tick = pair.produce(3000, last=LAST)
        wait_until_blocked(pair.target)
        # when it is killed, then nothing of it is there
        mover.kill()
        assert pair.target_events.count() == 0
        assert pair.position == before
    # nor when the server has noticed
    end_backends(pair.target)
    assert pair.target_events.count() == 0
    assert pair.position == before
    # when it is started again, then everything comes, once
    pair.command(loop_delay=0).check()
    assert pair.position == tick
    pair.assert_identical()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_connection_lost_in_mid_copy(pair: Pair, side: str) -> None:
    stop_copy_at(pair, LAST)
    with pair.start() as mover:
        with hold_copy(pair):
            pair.produce(3000, last=LAST)
            wait_until_blocked(pair.target)
            end_backends(pair.source if side == "source" else pair.target)
        # then it tries again by itself
        pair.wait_for(3001)
        mover.wait_for_output("recovered: working again")
        assert mover.stop() == 0
    pair.assert_identical()


def test_killed_again_and_again(pair: Pair) -> None:
    # given a mover that is killed whenever it has moved something, wherever it is then
    total = 0
    pair.register()
    for _ in range(8):
        before = pair.target_events.count()
        for _ in range(5):
            pair.produce(200)
            total += 200
        with pair.start(max_batch_events=0):
            pair.wait_for(before + 1)
    # when the last one may go on, then all is there, once, in order
    pair.command(loop_delay=0).check()
    assert pair.target_events.count() == total
    pair.assert_identical()
