"""Beside a mover that takes no locks, as those of Skytools: our side doubles nothing, and stops."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import testbed
from queue_mover.errors import UnlockedMoverError
from queue_mover.model import Result
from queue_mover.moving import legacy_mover, writing
from testbed.legacy_mover import LegacyMover
from testbed.processes import Process, write_ini
from tests.moving.holding import wait_until_blocked
from tests.moving.pair import Pair

LEFT_BEHIND = "the position on the target was left by another program"


@pytest.fixture(autouse=True)
def short_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that is as good as over."""
    monkeypatch.setattr(legacy_mover, "WATCH_PERIOD", 0.0)


@contextmanager
def legacy(pair: Pair) -> Iterator[LegacyMover]:
    """A legacy mover of the same consumer."""
    mover = LegacyMover(
        # Past a pooler, which would hide its session.
        pair.source_db.direct_conninfo(),
        pair.target_db.direct_conninfo(),
        pair.queue,
        pair.consumer,
        pair.target_queue,
    )
    with closing(mover):
        yield mover


def legacy_process(pair: Pair) -> Process:
    """The same as a program; it has moved something already."""
    ini = write_ini(
        pair.directory / "legacy.ini",
        "queue_mover",
        {
            "src_db": pair.source_db.conninfo(),
            "dst_db": pair.target_db.conninfo(),
            "queue_name": pair.queue,
            "dst_queue_name": pair.target_queue,
            "consumer_name": pair.consumer,
            "loop_delay": 0.1,
            "pidfile": pair.directory / "legacy.pid",
        },
    )
    before = pair.target_events.count()
    process = Process(
        [sys.executable, "-m", "testbed.legacy_mover", ini],
        pair.directory,
        name="legacy",
        env={"PYTHONPATH": str(Path(testbed.__file__).parents[1])},
    )
    pair.produce(10)
    pair.wait_for(before + 10)
    return process


def forget_origins(pair: Pair) -> None:
    pair.target.execute("set client_min_messages = warning; drop schema queue_mover cascade")


def nothing(_: Pair) -> None:
    """Leave the target as it is."""


@pytest.mark.parametrize("target", [nothing, forget_origins])
@pytest.mark.parametrize("first", [True, False], ids=["no position yet", "a position"])
def test_it_commits_the_batch_while_we_hold_it(
    pair: Pair,
    first: bool,
    target: Callable[[Pair], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target(pair)
    pair.register()
    if first:
        pair.command("--reset").check()
    else:
        pair.produce(10)
        pair.move()
    # given a mover of ours that has compared the position, and copies
    pair.produce(10)
    with legacy(pair) as other:
        mover = pair.mover()
        write = writing.BatchWriter.write

        def overtaken(*arguments: object) -> object:
            done = write(*arguments)  # type: ignore[arg-type]
            assert other.take()
            other.apply()
            other.target.commit()
            return done

        monkeypatch.setattr(writing.BatchWriter, "write", overtaken)
        # when the other one commits the same batch first
        # then ours rolls back, and names it
        with pytest.raises(UnlockedMoverError, match="takes no locks") as told:
            mover.move_batch()
        assert f"({pair.consumer}) from 127.0.0.1;" in str(told.value)
        other.finish()
    # and every event is there once
    pair.assert_identical()


@pytest.mark.parametrize("first", [True, False], ids=["no position yet", "a position"])
def test_it_has_set_the_position_and_not_committed(pair: Pair, first: bool) -> None:
    pair.register()
    if first:
        pair.command("--reset").check()
    else:
        pair.produce(10)
        pair.move()
    # given a legacy mover in the midst of its transaction
    pair.produce(10)
    with legacy(pair) as other, ThreadPoolExecutor(1) as thread:
        other.take()
        other.apply()
        # when ours gets to its commit
        moving = thread.submit(pair.mover().move_batch)
        wait_until_blocked(pair.target, "in_process")
        # then it waits for the other one, and gives way
        other.target.commit()
        with pytest.raises(UnlockedMoverError):
            moving.result(30)
        other.finish()
    pair.assert_identical()


def test_it_moves_between_two_batches_of_ours(registered: Pair) -> None:
    pair = registered
    mover = pair.mover()
    # given a mover of ours that has moved
    pair.produce(10)
    assert mover.move_batch().result is Result.MOVED
    mover.finish()
    # when another one, without locks, moves the next batch
    pair.produce(10)
    with legacy(pair) as other:
        assert other.move()
        # then ours stops at the one after
        pair.produce(10)
        with pytest.raises(UnlockedMoverError, match="takes no locks"):
            mover.move_batch()
    pair.move()
    pair.assert_identical()


def test_a_running_one_is_noticed_before_the_first_batch(pair: Pair) -> None:
    pair.register()
    # given a legacy mover that runs, perhaps on another host
    with legacy_process(pair) as other:
        # when ours starts while events flow
        with pair.start() as ours:
            ours.wait_for_output(LEFT_BEHIND)
            pair.produce(10)
            # then it stops without having moved anything
            assert ours.wait() == 1
        assert f"({pair.consumer}) from" in ours.stderr
        assert "remedy: stop the other mover, then start this one again" in ours.stderr
        assert "{count" not in ours.stderr
        pair.wait_for(20)
        assert other.stop() == 0
    pair.assert_identical()


def test_one_that_has_ended_is_followed(pair: Pair) -> None:
    pair.register()
    with legacy_process(pair) as other:
        assert other.stop() == 0
    pair.produce(10)
    # when ours is started after the legacy mover has ended, to drain the queue
    result = pair.command(loop_delay=0).check()
    # then it looks for a moment, says so, and moves
    assert LEFT_BEHIND in result.stderr
    pair.assert_identical()
    # and does not look again at the next start
    assert LEFT_BEHIND not in pair.command(loop_delay=0).check().stderr


def test_two_of_ours_after_a_legacy_one(pair: Pair) -> None:
    pair.register()
    with legacy(pair) as other:
        pair.produce(10)
        other.move()
    # given two movers of ours that look at the same time
    with pair.start("first") as first, pair.start("second") as second:
        for mover in (first, second):
            mover.wait_for_output(LEFT_BEHIND)
        # then both go on, beside each other
        pair.produce(10)
        pair.wait_for(20)
        pair.produce(10)
        pair.wait_for(30)
        assert (first.stop(), second.stop()) == (0, 0)
    pair.assert_identical()
