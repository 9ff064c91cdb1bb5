"""Taking over a running legacy mover and giving it back, as docs/taking-over.md says."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import testbed
from testbed.processes import Process, run, script, wait_until
from testbed.queues import produce, tick
from tests.command.world import PATIENCE, World

MORE = 100
"""Events that a mover must bring before it is its successor's turn."""


@contextmanager
def events_flowing(world: World) -> Iterator[None]:
    """Events and ticks all the time; before the end, those on their way may arrive."""
    enough = threading.Event()
    produced = [0]

    def flow() -> None:
        with world.source_db.connect() as conn:
            while not enough.wait(0.05):
                produce(conn, world.source_queue, 10, first=produced[0] + 1)
                tick(conn, world.source_queue)
                produced[0] += 10

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
    world.wait_for_events(produced[0])


def legacy(world: World, config: Path) -> Process:
    """The legacy mover, with the file that ours uses."""
    argv: list[str | Path] = [sys.executable, "-m", "testbed.legacy_mover", config]
    env = {"PYTHONPATH": str(Path(testbed.__file__).parents[1])}
    process = Process(argv, world.directory, name="legacy", env=env)
    wait_until(world.pidfile.exists, PATIENCE, "its pidfile")
    wait_until(world.pidfile.read_text, PATIENCE, "its pid")
    return process


def test_take_over_and_give_back_while_events_flow(world: World) -> None:
    world.register()
    config = world.write(consumer_name=world.job)
    queue_mover3 = script("queue_mover3")
    # given a legacy mover at work
    with legacy(world, config) as old, events_flowing(world):
        world.wait_for_events(MORE)
        # when our command stops it, and ours is started with the same file
        run([queue_mover3, "-s", config]).check()
        assert old.wait() == 0
        run([queue_mover3, "-d", config]).check()
        pid = world.adopt()
        # then ours looks whether the other one has ended, and goes on
        world.wait_for_events(world.arrived() + MORE)
        assert "was left by another program" in world.log
        # when ours is stopped, and the legacy one is started again
        run([queue_mover3, "-s", config]).check()
        world.stopped(pid)
        with legacy(world, config) as again:
            # then that goes on, too
            world.wait_for_events(world.arrived() + MORE)
            run([queue_mover3, "-s", config]).check()
            assert again.wait() == 0
        # and so does ours, once more
        run([queue_mover3, "-d", config]).check()
        pid = world.adopt()
        world.wait_for_events(world.arrived() + MORE)
    run([queue_mover3, "-s", config]).check()
    world.stopped(pid)
    # and every event is there, once and in order
    assert world.identical()
    assert world.finished()
    assert " ERROR " not in world.log
