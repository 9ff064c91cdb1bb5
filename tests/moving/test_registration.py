"""Who is registered when, and what happens to the position."""

import pytest

from testbed.database import value
from tests.moving.pair import Pair


def test_the_first_start_registers_from_now(queues: Pair) -> None:
    # given events that came before
    queues.produce(10)
    # when it is started the first time, then it registers, and moves what comes from now on
    result = queues.command(loop_delay=0).check()
    assert result.stderr.count("Registering consumer on source queue") == 1
    assert queues.target_events.count() == 0
    queues.produce(7)
    result = queues.command(loop_delay=0).check()
    assert "Registering" not in result.stderr
    assert queues.target_events.count() == 7


def test_auto_register_can_be_off(queues: Pair) -> None:
    result = queues.command(auto_register=0)
    assert result.returncode == 1
    assert "auto_register is off; remedy: --register" in result.stderr
    assert queues.subscription() is None
    queues.command("--register", auto_register=0).check()
    queues.produce(3)
    queues.command(auto_register=0, loop_delay=0).check()
    queues.assert_identical()


def unregister_behind_its_back(pair: Pair) -> None:
    """Somebody unregisters the consumer; its position on the target stays."""
    assert value(pair.source, "select pgq.unregister_consumer(%s, %s)", pair.queue, pair.consumer)


def test_a_position_without_registration_is_refused(registered: Pair) -> None:
    # given a target that has a position, and a source that knows no such consumer
    tick = registered.produce(10)
    registered.move()
    unregister_behind_its_back(registered)
    registered.produce(10)
    # when it is started, then it refuses, with both choices
    for loop_delay in (0.05, 0):
        result = registered.command(loop_delay=loop_delay)
        assert result.returncode == 1
        assert f"target has its position, tick {tick}" in result.stderr
        assert "--rewind resumes from there" in result.stderr
        assert "--register starts again" in result.stderr
        assert "Traceback" not in result.stderr
    assert registered.subscription() is None
    assert registered.position == tick
    assert registered.target_events.count() == 10


def test_rewind_registers_at_the_position(registered: Pair) -> None:
    registered.produce(10)
    registered.move()
    unregister_behind_its_back(registered)
    registered.produce(10)
    registered.command("--rewind").check()
    registered.move()
    registered.assert_identical()


def test_register_starts_anew(registered: Pair) -> None:
    registered.produce(10)
    registered.move()
    unregister_behind_its_back(registered)
    registered.produce(10)
    result = registered.command("--register").check()
    assert "Resetting queue tracking on dst side" in result.stderr
    assert registered.subscription() == (registered.position, None, None)
    registered.produce(3)
    registered.move()
    assert registered.target_events.count() == 13


def test_register_keeps_what_is_registered(registered: Pair) -> None:
    # given a consumer with a position, and an active batch
    tick = registered.produce(10)
    registered.move()
    registered.produce(10)
    value(registered.source, "select pgq.next_batch(%s, %s)", registered.queue, registered.consumer)
    before = registered.subscription()
    # when it is registered again, then all stays as it is
    result = registered.command("--register").check()
    assert "registered on the source queue already" in result.stderr
    assert registered.subscription() == before
    assert registered.position == tick
    registered.move()
    registered.assert_identical()


def test_unregister_forgets_both_sides(registered: Pair) -> None:
    registered.produce(10)
    registered.move()
    registered.command("--unregister").check()
    assert registered.subscription() is None
    assert registered.position is None
    # and once more it says so, without harm
    result = registered.command("--unregister").check()
    assert "Consumer was not registered on the source queue" in result.stderr


@pytest.mark.parametrize("switch", ["--rewind", "--accept-source"])
def test_without_a_position_there_is_nothing_to_go_by(registered: Pair, switch: str) -> None:
    """An exit code of 0 would tell a script that the position is good now."""
    registered.command("--reset").check()
    before = registered.subscription()
    result = registered.command(switch)
    assert result.returncode == 1
    assert f'ERROR consumer "{registered.consumer}" has no position' in result.stderr
    assert "start the mover, which resumes from the source's position" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert (registered.subscription(), registered.position) == (before, None)


@pytest.mark.parametrize("switch", ["--rewind", "--accept-source"])
def test_unknown_on_both_sides_there_is_nowhere_to_go_on_from(queues: Pair, switch: str) -> None:
    result = queues.command(switch)
    assert result.returncode == 1
    assert "has no position on the target" in result.stderr
    assert "remedy: correct the consumer's name, or --register" in result.stderr
    assert "start the mover" not in result.stderr
    assert queues.subscription() is None


def test_reset_of_nothing(registered: Pair) -> None:
    registered.command("--reset").check()
    registered.produce(3)
    registered.move()
    registered.assert_identical()
