"""A command that changes both databases and dies between them leaves what the next start can take.

Each command is held at a step by a lock, and killed there with its backends.
"""

from collections.abc import Callable

import psycopg
import pytest

from testbed import processes
from testbed.database import value
from tests.moving.holding import (
    end_backends,
    hold_positions,
    hold_registrations,
    hold_source,
    hold_target,
    killed_at,
    wait_until_blocked,
)
from tests.moving.pair import Pair


@pytest.fixture
def moved(pair: Pair) -> Pair:
    """Ten events have been moved, ten wait."""
    pair.register()
    pair.produce(10)
    pair.move()
    pair.produce(10)
    return pair


def test_register(moved: Pair) -> None:
    # given a position without registration
    value(moved.source, "select pgq.unregister_consumer(%s, %s)", moved.queue, moved.consumer)
    # when --register dies before it has registered
    with killed_at(moved, "--register", hold_registrations, moved.source):
        # then the consumer is unknown on both sides
        assert moved.position is None
        assert moved.subscription() is None
    # and the next start is a first start
    moved.move()
    moved.produce(5)
    moved.move()
    assert moved.target_events.count() == 15


@pytest.mark.parametrize(
    ("hold", "side"),
    [(hold_target, "target"), (hold_source, "source"), (hold_registrations, "source")],
)
def test_unregister_before_the_source(
    moved: Pair, hold: Callable[[Pair], psycopg.Connection], side: str
) -> None:
    before = (moved.subscription(), moved.position)
    with killed_at(moved, "--unregister", hold, getattr(moved, side)):
        assert (moved.subscription(), moved.position) == before
    moved.move()
    moved.assert_identical()


def test_unregister_between_the_databases(moved: Pair) -> None:
    position = moved.position
    with killed_at(moved, "--unregister", hold_positions, moved.target):
        assert moved.subscription() is None
        assert moved.position == position
    # then the next start refuses
    result = moved.command(loop_delay=0)
    assert result.returncode == 1
    assert "--rewind resumes from there, --register starts again" in result.stderr
    # and both ways out are open: the one that loses nothing
    moved.command("--rewind").check()
    moved.move()
    moved.assert_identical()
    # and the one that was wanted
    moved.command("--unregister").check()
    assert moved.subscription() is None
    assert moved.position is None


@pytest.mark.parametrize("hold", [hold_source, hold_registrations, hold_target])
def test_rewind(moved: Pair, hold: Callable[[Pair], psycopg.Connection]) -> None:
    # given a consumer that stands elsewhere than its position
    value(
        moved.source,
        "select pgq.register_consumer_at(%s, %s, 1)",
        moved.queue,
        moved.consumer,
    )
    before = (moved.subscription(), moved.position)
    side = moved.target if hold is hold_target else moved.source
    # when --rewind dies on its way, then nothing has changed
    with killed_at(moved, "--rewind", hold, side):
        assert (moved.subscription(), moved.position) == before
    # and it can be repeated
    moved.command("--rewind").check()
    moved.move()
    moved.assert_identical()


def test_reset(moved: Pair) -> None:
    before = (moved.subscription(), moved.position)
    with killed_at(moved, "--reset", hold_target, moved.target):
        assert (moved.subscription(), moved.position) == before
    moved.move()
    moved.assert_identical()


def test_the_first_start(pair: Pair) -> None:
    # given a mover that dies while it registers
    with (
        hold_registrations(pair),
        processes.mover(pair.ini(), name="mover") as mover,
    ):
        wait_until_blocked(pair.source)
        mover.kill()
        end_backends(pair.source)
    assert pair.subscription() is None
    # then the next one registers, once
    pair.command(loop_delay=0).check()
    pair.produce(5)
    pair.command(loop_delay=0).check()
    pair.assert_identical()


def test_the_first_start_between_the_registration_and_the_position(pair: Pair) -> None:
    with killed_at(pair, "-v", hold_positions, pair.target):
        assert (pair.subscription() is None, pair.position) == (False, None)
    # then the next start sets it
    pair.command(loop_delay=0).check()
    assert pair.subscription() == (pair.position, None, None)
    pair.produce(5)
    pair.move()
    pair.assert_identical()


OLD = "a_former_name"


@pytest.fixture
def renamed(moved: Pair) -> Pair:
    """Ten events have been moved under another name, ten wait."""
    pair = moved
    pair.command("--unregister").check()
    pair.consumer = OLD
    pair.register()
    pair.produce(10)
    pair.move()
    pair.produce(10)
    pair.consumer = "mover_1"
    return pair


def as_old(pair: Pair) -> tuple[object, int | None]:
    """What both sides know of the consumer under its former name."""
    now, pair.consumer = pair.consumer, OLD
    known = (pair.subscription(), pair.position)
    pair.consumer = now
    return known


@pytest.mark.parametrize(
    "hold", [hold_source, hold_registrations, hold_target], ids=lambda hold: hold.__name__
)
def test_take_over_before_the_source(
    renamed: Pair, hold: Callable[[Pair], psycopg.Connection]
) -> None:
    before = as_old(renamed)
    side = renamed.target if hold is hold_target else renamed.source
    with killed_at(renamed, "--take-over", hold, side, OLD):
        assert as_old(renamed) == before
        assert (renamed.subscription(), renamed.position) == (None, None)
    renamed.command("--take-over", OLD).check()
    everything_came_once(renamed)


def test_take_over_between_the_databases(renamed: Pair) -> None:
    _, position = as_old(renamed)
    with killed_at(renamed, "--take-over", hold_positions, renamed.target, OLD):
        # then the new one is registered where it has to go on, and the old one is not
        assert renamed.subscription() == (position, None, None)
        assert renamed.position is None
        assert as_old(renamed) == (None, position)
    # and the old mover refuses to start
    now, renamed.consumer = renamed.consumer, OLD
    refused = renamed.command(loop_delay=0)
    assert (refused.returncode, "is not registered" in refused.stderr) == (1, True)
    renamed.consumer = now
    # and so does the new one, until the command is repeated
    refused = renamed.command(loop_delay=0)
    assert (refused.returncode, f"repeat --take-over {OLD}" in refused.stderr) == (1, True)
    renamed.command("--take-over", OLD).check()
    assert (renamed.position, as_old(renamed)) == (position, (None, None))
    everything_came_once(renamed)


def everything_came_once(pair: Pair) -> None:
    """Under the first name ten events came, and were followed by ten that nobody moved."""
    pair.command(loop_delay=0).check()
    comparison = pair.compared()
    assert pair.target_events.count() == 30
    assert (comparison.duplicated, comparison.unexpected, comparison.changed) == (0, 0, 0)
