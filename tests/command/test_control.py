"""What -s, -k and -r say, and how --wait waits."""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.processes import run, script
from testbed.procfs import process_alive
from tests.command.test_daemon import unlocked_program
from tests.command.world import PATIENCE, World


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        ("-s", "stopping pid {} ({})"),
        ("-k", "stopping pid {} at once ({})"),
        ("-r", "reloading pid {} ({})"),
    ],
)
def test_a_signal_is_reported_with_its_pid_and_pidfile(
    world: World, switch: str, words: str
) -> None:
    process = world.start()
    result = world.run(switch).check()
    assert result.stdout == words.format(process.pid, world.pidfile) + "\n"
    assert result.stderr == ""


def test_a_relative_pidfile_is_reported_with_its_full_path(world: World) -> None:
    process = world.start(pidfile="run.pid")
    result = world.run("-s", pidfile="run.pid").check()
    assert result.stdout == f"stopping pid {process.pid} ({world.directory / 'run.pid'})\n"


def test_quiet_is_quiet(world: World) -> None:
    process = world.start()
    result = world.run("-s", "-q", "--wait").check()
    assert (result.stdout, result.stderr) == ("", "")
    assert not process.running


# --wait


@pytest.mark.parametrize("switch", ["-s", "-k"])
@pytest.mark.parametrize("wait", [("--wait",), ("--wait", str(PATIENCE)), (f"--wait={PATIENCE}",)])
def test_wait_returns_when_a_daemon_has_ended(
    world: World, switch: str, wait: Sequence[str]
) -> None:
    pid = world.daemon()
    result = world.run(switch, *wait).check()
    assert not process_alive(pid)
    assert not world.pidfile.exists()
    assert result.stdout.splitlines()[1:] == [f"pid {pid} has ended"]
    # and another one can start at once
    world.daemon()


@pytest.mark.parametrize("after", [["--wait"], ["--wait", "30"]])
def test_the_switches_may_stand_behind_the_file(world: World, after: list[str]) -> None:
    pid = world.daemon()
    command: list[str | Path] = [script("queue_mover3"), world.config, "-s", *after]
    run(command, cwd=world.directory, timeout=PATIENCE).check()
    assert not process_alive(pid)


def test_wait_waits_for_the_running_batch(world: World) -> None:
    # given a batch that does not arrive
    with world.stalled_batch(5) as process:
        # when it is stopped, with too little patience
        result = world.run("-s", "--wait", "0.5")
        # then that is one line, and exit code 1
        assert result.returncode == 1
        assert result.stdout == f"stopping pid {process.pid} ({world.pidfile})\n"
        assert result.stderr == (
            f"queue_mover3: pid {process.pid} ({world.pidfile}) has not ended within 0.5 s;"
            " remedy: wait longer with --wait SECONDS, or stop it at once with -k\n"
        )
        assert process.running
    # and it ends once the batch has arrived
    assert process.wait() == 0


def test_a_frozen_process_does_not_end_at_once_either(world: World) -> None:
    process = world.start()
    process.send(signal.SIGSTOP)
    result = world.run("-k", "--wait", "0.5")
    assert result.returncode == 1
    assert result.stderr.startswith(f"queue_mover3: pid {process.pid} ({world.pidfile}) has not")
    assert result.stderr.endswith(f"as a last resort kill -9 {process.pid}\n")


@pytest.mark.parametrize("switch", ["-s", "-k"])
def test_wait_knows_a_program_that_takes_no_lock(world: World, switch: str) -> None:
    world.register()
    with unlocked_program(world) as legacy:
        result = world.run(switch, "--wait").check()
        assert not legacy.running
    assert result.stdout.splitlines()[1:] == [f"pid {legacy.pid} has ended"]


def test_wait_gives_up_on_a_stuck_program_that_takes_no_lock(world: World) -> None:
    world.register()
    with unlocked_program(world) as legacy:
        legacy.send(signal.SIGSTOP)
        result = world.run("-s", "--wait", "0.5")
        assert result.returncode == 1
        assert f"pid {legacy.pid} ({world.pidfile}) has not ended within" in result.stderr


def test_waiting_for_nobody_is_no_error(world: World) -> None:
    world.pidfile.write_text("999999999\n")
    result = world.run("-s", "--wait").check()
    assert result.stdout == ""
    assert result.stderr.endswith(" WARNING pidfile exists, but process not running\n")


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (["--wait"], "--wait works only with -s or -k"),
        (["--take-over", "bl\udce5"], r"argument --take-over: 'bl\udce5' is not valid UTF-8"),
        (["--wait", "5", "-d"], "--wait works only with -s or -k"),
        (["-r", "--wait"], "--wait works only with -s or -k"),
        (["--register", "--wait"], "--wait works only with -s or -k"),
        (["-s", "--wait", "0"], "argument --wait: '0' is not a number of seconds above 0"),
        (["-s", "--wait", "-1"], "argument --wait: '-1' is not a number of seconds above 0"),
        (["-s", "--wait", "inf"], "argument --wait: 'inf' is not a number of seconds above 0"),
        (["-s", "--wait=soon"], "argument --wait: 'soon' is not a number of seconds above 0"),
    ],
)
def test_nothing_to_wait_for(world: World, switches: list[str], words: str) -> None:
    result = world.run(*switches)
    assert result.returncode == 2
    assert result.stderr.endswith(f"queue_mover3: error: {words}\n")
