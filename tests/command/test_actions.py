"""--register, --unregister, --rewind and --reset, as an operator uses them."""

import pytest

from queue_mover.postgres.locks import lock_key
from tests.command.world import World


def test_register_then_move(world: World) -> None:
    world.run("--register").check()
    assert world.consumer() is not None
    world.produce(3)
    world.drain("-q", auto_register=0).check()
    assert world.identical()


def test_a_warning_about_the_config_comes_once(world: World) -> None:
    result = world.run("--register", dst_queue="x").check()
    assert result.stderr.count("dst_queue: unknown key, did you mean dst_queue_name?") == 1
    assert "dst_queue:" not in world.log
    assert "dst_queue:" not in world.run("-s", dst_queue="x").stderr


def test_register_anew_replaces_the_position(world: World) -> None:
    world.target.execute("select pgq_ext.set_last_tick(%s, 77)", [world.job])
    world.run("--register").check()
    assert world.consumer() == (world.position(), None)


def test_register_of_a_registered_consumer_changes_nothing(world: World) -> None:
    world.register()
    world.produce(3)
    world.drain().check()
    before = (world.consumer(), world.position())
    assert "registered on the source queue already" in world.run("--register").check().stderr
    assert (world.consumer(), world.position()) == before


def test_unregister_forgets_both(world: World) -> None:
    world.register()
    world.produce(3)
    world.drain().check()
    world.run("--unregister").check()
    assert (world.consumer(), world.position()) == (None, None)
    result = world.run("--unregister").check()
    assert "WARNING Consumer was not registered" in result.stderr


@pytest.mark.parametrize(
    "action",
    [
        ["--register"],
        ["--unregister"],
        ["--rewind"],
        ["--reset"],
        ["--accept-source"],
        ["--take-over", "a former name"],
    ],
    ids=lambda action: action[0],
)
def test_who_holds_the_lock_is_said_while_waiting(world: World, action: list[str]) -> None:
    # given a batch on its way, which holds the consumer's lock
    world.register()
    world.produce(3)
    world.drain().check()
    world.target.execute("select pg_advisory_lock(%s)", [lock_key("target", world.job)])
    pid = world.target.info.backend_pid
    # when
    process = world.launch(*action, world.write())
    process.wait_for_output(f"waiting for the consumer's lock, which is held by pid {pid} ")
    assert process.running
    # then it goes on when the batch has ended
    world.target.execute("select pg_advisory_unlock_all()")
    assert process.wait() == (1 if "--take-over" in action else 0)


def test_reset_forgets_the_position(world: World) -> None:
    world.register()
    world.produce(3)
    world.drain().check()
    consumer = world.consumer()
    world.run("--reset").check()
    assert (world.consumer(), world.position()) == (consumer, None)


def test_rewind_goes_back_to_the_target(world: World) -> None:
    """Given a target restored from a backup, when rewound, then it gets again what it lacks."""
    world.register()
    world.produce(3)
    world.drain().check()
    position = world.position()
    assert position is not None
    world.produce(4, first=4)
    world.source.execute(
        "select pgq.register_consumer_at(%s, %s, null)", [world.source_queue, world.job]
    )
    world.run("--rewind").check()
    assert world.consumer() == (position, None)
    world.drain().check()
    assert world.identical()


def test_rewind_without_a_position_changes_nothing(world: World) -> None:
    world.register()
    world.run("--reset").check()
    before = world.consumer()
    result = world.run("--rewind")
    assert result.returncode == 1
    assert f'ERROR consumer "{world.job}" has no position on the target' in result.stderr
    assert world.consumer() == before


@pytest.mark.parametrize("action", ["--register", "--unregister", "--rewind", "--reset"])
def test_an_action_without_a_server(world: World, action: str) -> None:
    result = world.run(action, src_db="host=127.0.0.1 port=1", dst_db="host=127.0.0.1 port=1")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == len(set(result.stderr.splitlines()))
    assert "database not available: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("action", ["--register", "--rewind"])
def test_an_action_without_the_queue(world: World, action: str) -> None:
    """Given a queue name with a slip, then nothing changes, and the name is told."""
    world.target.execute("select pgq_ext.set_last_tick(%s, 77)", [world.job])
    result = world.run(action, queue_name="nothing")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert world.position() == 77
    assert '"nothing"' in result.stderr
