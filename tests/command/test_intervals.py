"""Intervals, which only PostgreSQL can read: looked at before anything is written."""

import pytest

from testbed.log_lines import news
from tests.command.world import World

KEYS = ["pgq_keep_lag", "pgq_batch_collect_interval"]
BAD = ["3 parsecs", "-1 hour", "300000 years", "1 hour; drop table pgq.tick"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_one_is_refused_before_the_registration(world: World, key: str, bad: str) -> None:
    result = world.run("--set", f"{key}={bad}")
    assert result.returncode == 1
    (line,) = news(result.stderr)
    assert f"{key}: '{bad}' is not an interval" in line
    assert line.endswith(f"remedy: for example {key} = 30 seconds")
    assert world.consumer() is None


@pytest.mark.parametrize("switches", [["--register"], ["--take-over", "somebody"]])
def test_a_bad_one_keeps_a_switch_from_registering(world: World, switches: list[str]) -> None:
    """The consumer would keep the queue's events, and its mover refuse to start."""
    world.source.execute("select pgq.register_consumer(%s, 'somebody')", [world.source_queue])
    result = world.run(*switches, "--set", "pgq_keep_lag=3 parsecs")
    assert result.returncode == 1
    (line,) = news(result.stderr)
    assert "ERROR pgq_keep_lag: '3 parsecs' is not an interval" in line
    assert world.consumer() is None


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("good", ["0", "0.1 seconds", "1ms", "00:00:00.1", "PT0.1S"])
def test_whatever_postgresql_reads_is_good(world: World, key: str, good: str) -> None:
    world.register()
    world.run("--set", f"{key}={good}", loop_delay="0").check()


def test_a_bad_one_in_a_reload_is_told_until_it_is_corrected(world: World) -> None:
    # given a daemon at work
    pid = world.daemon()
    world.produce(3)
    world.wait_for_events(3)
    # when a reload brings a bad one, then one line says so, and the process lives
    world.run("-r", pgq_keep_lag="3 parsecs").check()
    world.logged("pgq_keep_lag: '3 parsecs' is not an interval")
    assert world.log.count("Traceback") == 0
    # and when it is corrected, it goes on
    world.run("-r", pgq_keep_lag=None).check()
    world.produce(4, first=4)
    world.wait_for_events(7)
    assert world.identical()
    assert int(world.pidfile.read_text()) == pid
