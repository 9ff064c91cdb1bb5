"""INT, INT twice and TERM: asleep, waiting for a server, and in the middle of a batch."""

import contextlib
import signal
import time

import pytest

from testbed.processes import Process, wait_until
from tests.command.world import PATIENCE, World

SLEEPER = 60
"""Seconds of loop_delay, longer than any patience here."""


def interrupt_twice(process: Process) -> int:
    """Press Ctrl-C twice; again, should the machine have been too busy to see both in a second."""
    for _ in range(5):
        process.send(signal.SIGINT)
        time.sleep(0.3)
        process.send(signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            return process.wait(timeout=6)
    raise TimeoutError("still running")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_sleeping_one_wakes_at_once(world: World, number: signal.Signals, code: int) -> None:
    world.register()
    world.produce(2)
    process = world.start(loop_delay=SLEEPER)
    world.wait_for_events(2)
    assert process.stop(number, timeout=SLEEPER / 2) == code
    assert not world.pidfile.exists()
    assert world.finished() or number == signal.SIGTERM


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_one_that_waits_to_retry_wakes_at_once(
    world: World, number: signal.Signals, code: int
) -> None:
    process = world.launch(world.write(src_db="host=127.0.0.1 port=1", exception_sleep=SLEEPER))
    process.wait_for_output("source database not available")
    time.sleep(0.2)
    assert process.stop(number) == code
    assert not world.pidfile.exists()


def test_int_that_came_while_it_was_frozen(world: World) -> None:
    """Given a frozen mover, when signals come before it may go on, then it still hears INT.

    The system may give the second of two waiting signals to any thread that takes it; one that
    another thread got would not wake the main thread. A few tries, since it need not do so.
    """
    for _ in range(8):
        process = world.start(loop_delay=0.01)
        for number in (signal.SIGSTOP, signal.SIGHUP, signal.SIGINT, signal.SIGCONT):
            process.send(number)
        assert process.wait(timeout=10) == 0


def test_int_finishes_the_batch(world: World) -> None:
    """Given a batch on its way, when interrupted, then it arrives, and the source knows."""
    with world.stalled_batch(5) as process:
        process.send(signal.SIGINT)
        time.sleep(1.5)
        assert process.running
        assert not world.finished()
    assert process.wait() == 0
    assert world.identical()
    assert world.finished()


def test_int_leaves_the_next_batch_alone(world: World) -> None:
    with world.stalled_batch(5, max_batch_events=0) as process:
        world.produce(5, first=6)
        process.send(signal.SIGINT)
        time.sleep(0.5)
    assert process.wait() == 0
    assert world.arrived() == 5
    assert world.consumer() == (world.position(), None)


def test_a_second_int_long_after_the_first_changes_nothing(world: World) -> None:
    with world.stalled_batch(5) as process:
        for _ in range(2):
            process.send(signal.SIGINT)
            time.sleep(1.5)
        assert process.running
    assert process.wait() == 0
    assert world.identical()


def test_double_int_abandons_the_batch_which_is_replayed(world: World) -> None:
    with world.stalled_batch(5) as process:
        assert interrupt_twice(process) == 1
        assert "WARNING Double ^C, fast exit" in process.stderr
        assert "Traceback" not in process.stderr
        assert not world.pidfile.exists()
    wait_until(lambda: not world.backends(world.target), PATIENCE, "the rollback")
    # the position is still the tick of the registration
    assert (world.arrived(), world.position()) == (0, 1)
    assert not world.finished()
    world.drain().check()
    assert world.identical()
    assert world.finished()


def test_term_rolls_the_batch_back(world: World) -> None:
    with world.stalled_batch(5) as process:
        assert process.stop(signal.SIGTERM) == 143
        assert "Traceback" not in process.stderr
        assert not world.pidfile.exists()
    wait_until(lambda: not world.backends(world.target), PATIENCE, "the rollback")
    # the position is still the tick of the registration
    assert (world.arrived(), world.position()) == (0, 1)
    world.drain().check()
    assert world.identical()


def test_term_ends_a_daemon_and_removes_its_pidfile(world: World) -> None:
    pid = world.daemon()
    with world.stalled():
        world.produce(5)
        world.wait_for_stall()
        world.run("-k").check()
        world.stopped(pid)
        assert not world.pidfile.exists()
    world.logged("got SIGTERM")


def test_term_while_stopping(world: World) -> None:
    with world.stalled_batch(5) as process:
        process.send(signal.SIGINT)
        time.sleep(0.3)
        assert process.stop(signal.SIGTERM) == 143
