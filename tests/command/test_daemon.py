"""-d, and the pidfile that goes with it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import testbed
from queue_mover.system.pidfile import PidFile
from testbed.log_lines import news
from testbed.processes import (
    Process,
    Result,
    run,
    script,
    wait_until,
    write_ini,
)
from testbed.procfs import process_alive
from tests.command.world import PATIENCE, World


def test_a_daemon_moves_in_the_background(world: World) -> None:
    world.register()
    world.produce(3)
    result = world.run("-d").check()
    pid = world.adopt()
    assert (result.stdout, result.stderr.count("\n")) == ("", result.stderr.count(" INFO "))
    world.wait_for_events(3)
    world.run("-s").check()
    world.stopped(pid)
    assert not world.pidfile.exists()
    assert world.identical()
    assert world.finished()


def test_it_lets_go_of_the_terminal_and_keeps_the_directory(world: World) -> None:
    pid = world.daemon()
    process = Path(f"/proc/{pid}")
    assert (process / "cwd").resolve() == world.directory.resolve()
    wait_until(
        lambda: {(process / "fd" / n).readlink() for n in "012"} == {Path(os.devnull)},
        PATIENCE,
        "the daemon to let the terminal go",
    )
    assert os.getsid(pid) not in (os.getsid(0), pid)


def test_relative_paths_of_a_daemon_are_relative_to_the_working_directory(world: World) -> None:
    elsewhere = world.directory / "elsewhere"
    elsewhere.mkdir()
    config = world.write(pidfile="run.pid", logfile="run.log")
    config.rename(elsewhere / "run.ini")
    command = [script("queue_mover3"), "-d", "elsewhere/run.ini"]
    run(command, cwd=world.directory).check()
    pid = world.adopt(world.directory / "run.pid")
    assert process_alive(pid)
    assert "INFO" in (world.directory / "run.log").read_text()
    run([script("queue_mover3"), "-s", "elsewhere/run.ini"], cwd=world.directory).check()
    world.stopped(pid)
    assert not (world.directory / "run.pid").exists()


def test_a_daemon_needs_a_pidfile(world: World) -> None:
    result = world.run("-d", pidfile=None)
    assert result.returncode == 1
    assert result.stderr == (
        "queue_mover3: Daemon needs pidfile; remedy: set pidfile in the config file\n"
    )


def test_a_start_that_fails_is_told_on_the_terminal(world: World) -> None:
    result = world.run("-d", queue_name="nothing")
    assert result.returncode == 1
    assert len(news(result.stderr)) == 1
    assert 'ERROR source database: no queue "nothing"' in result.stderr
    assert 'ERROR source database: no queue "nothing"' in world.log
    assert not world.pidfile.exists()


def test_a_daemon_waits_for_a_server_that_is_away(world: World) -> None:
    """It goes background, as it may have to wait for long."""
    pid = world.daemon(src_db="host=127.0.0.1 port=1")
    world.logged("source database not available")
    assert process_alive(pid)
    world.run("-s").check()
    world.stopped(pid)


def test_a_long_first_batch_does_not_hold_the_terminal(world: World) -> None:
    """An init script waits for the start, not for the work."""
    with world.stalled():
        world.produce(3)
        process = world.launch("-d", world.write())
        world.wait_for_stall()
        assert process.wait(timeout=15) == 0
        pid = world.adopt()
    world.run("-s").check()
    world.stopped(pid)


def test_the_process_is_named_by_its_command_and_file_alone(world: World) -> None:
    pid = world.daemon(src_db=world.source_db.conninfo(password="hunter2secret"))
    words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    assert [Path(word).name for word in words[1:]] == ["queue_mover3", "-d", world.config.name]
    assert "hunter2secret" not in Path(f"/proc/{pid}/environ").read_text()


# One process for each pidfile


def refused(result: Result, world: World, pid: int) -> None:
    assert result.returncode == 1
    assert result.stderr == (
        f"queue_mover3: {world.pidfile}: another process is running, pid {pid};"
        " remedy: stop it with -s, or use another pidfile\n"
    )


@pytest.mark.parametrize("switches", [[], ["-d"]], ids=["foreground", "daemon"])
def test_a_second_instance_is_refused(world: World, switches: list[str]) -> None:
    pid = world.daemon()
    refused(world.run(*switches), world, pid)
    assert process_alive(pid)
    assert world.pidfile.read_text() == f"{pid}\n"
    assert world.run("-s").returncode == 0
    world.stopped(pid)


def test_of_many_started_at_once_one_wins(world: World) -> None:
    config = world.write()
    processes = [world.launch(config, name=f"racer{n}") for n in range(4)]
    wait_until(lambda: sum(p.running for p in processes) == 1, PATIENCE, "the losers to leave")
    (winner,) = [p for p in processes if p.running]
    assert world.pidfile.read_text() == f"{winner.pid}\n"
    assert winner.stop() == 0
    assert {p.wait() for p in processes if p is not winner} == {1}
    assert not world.pidfile.exists()


def dead_pid() -> int:
    return int(run(["sh", "-c", "echo $$"]).check().stdout)


def test_a_stale_pidfile_is_told_and_taken_over(world: World) -> None:
    stale = dead_pid()
    world.pidfile.write_text(f"{stale}\n")
    process = world.start()
    process.wait_for_output(f"WARNING Ignoring stale pidfile: process {stale} is gone")
    assert world.pidfile.read_text() == f"{process.pid}\n"
    assert process.stop() == 0
    assert not world.pidfile.exists()


def test_a_pid_that_another_program_has_by_now_does_not_count(world: World) -> None:
    with Process(["sleep", "60"], world.directory) as other:
        world.pidfile.write_text(f"{other.pid}\n")
        process = world.start()
        process.wait_for_output(f"process {other.pid} is another program, sleep 60")
        assert process.stop() == 0


@contextmanager
def unlocked_program(world: World) -> Iterator[Process]:
    """A mover that writes a pidfile and does not lock it, as those of Skytools."""
    ini = write_ini(
        world.directory / "legacy.ini",
        "queue_mover",
        {
            "src_db": world.source_db.conninfo(),
            "dst_db": world.target_db.conninfo(),
            "queue_name": world.source_queue,
            "dst_queue_name": world.target_queue,
            "consumer_name": world.job,
            "pidfile": world.pidfile,
        },
    )
    argv: list[str | Path] = [sys.executable, "-m", "testbed.legacy_mover", ini]
    env = {"PYTHONPATH": str(Path(testbed.__file__).parents[1])}
    with Process(argv, world.directory, name="legacy", env=env) as legacy:
        wait_until(world.pidfile.exists, PATIENCE, "its pidfile")
        wait_until(world.pidfile.read_text, PATIENCE, "its pid")
        yield legacy


@pytest.mark.parametrize("switches", [(), ("-d",)])
def test_a_running_program_that_takes_no_lock_is_not_joined(
    world: World, switches: tuple[str, ...]
) -> None:
    world.register()
    with unlocked_program(world) as legacy:
        result = world.run(*switches)
        assert result.returncode == 1
        assert f"process {legacy.pid} (python" in result.stderr
        assert "is running without locking it" in result.stderr
        assert world.pidfile.read_text() == f"{legacy.pid}\n"
        assert legacy.running


@pytest.mark.parametrize(
    ("switch", "code"), [("-s", 0), ("-k", -signal.SIGTERM), ("-r", -signal.SIGHUP)]
)
def test_a_running_program_that_takes_no_lock_is_signalled(
    world: World, switch: str, code: int
) -> None:
    world.register()
    with unlocked_program(world) as legacy:
        assert world.run(switch).check().stderr == ""
        assert legacy.wait() == code
    assert world.pidfile.exists() == (code != 0)


@pytest.mark.parametrize("switch", ["--register", "--unregister", "--rewind", "--reset"])
def test_no_position_is_changed_beside_a_program_that_takes_no_lock(
    world: World, switch: str
) -> None:
    world.register()
    with unlocked_program(world) as legacy:
        world.produce(3)
        wait_until(lambda: world.position() is not None, PATIENCE, "its batch")
        before = world.position()
        result = world.run(switch)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert f"{world.pidfile}: process {legacy.pid} (python" in result.stderr
        assert "takes no locks" in result.stderr
        assert "remedy: stop it with -s" in result.stderr
        assert (world.position(), world.consumer() is not None) == (before, True)
        assert legacy.stop() == 0
    assert world.identical()


def test_a_killed_one_leaves_a_pidfile_that_does_not_matter(world: World) -> None:
    first = world.start()
    wait_until(world.pidfile.read_text, PATIENCE, "the pidfile")
    first.kill()
    second = world.start()
    second.wait_for_output(f"Ignoring stale pidfile: process {first.pid} is gone")
    assert second.stop() == 0


@pytest.mark.parametrize("content", ["", "not a number", "\0\xff" * 100])
def test_any_pidfile_that_nobody_holds_is_taken_over(world: World, content: str) -> None:
    world.pidfile.write_text(content)
    world.drain().check()
    assert not world.pidfile.exists()


def test_one_that_ends_leaves_the_pidfile_of_another_alone(tmp_path: Path) -> None:
    """Given a pidfile that was deleted by hand and made again by a second process."""
    path = tmp_path / "mover.pid"
    first, second = PidFile(path), PidFile(path)
    first.lock()
    path.unlink()
    second.lock()
    second.write()
    first.remove()
    assert path.exists()
    second.remove()
    assert not path.exists()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("missing/mover.pid", "No such file or directory"),
        ("a_file/mover.pid", "Not a directory"),
        ("a_directory", "Is a directory"),
        ("a_link", "a symbolic link"),
    ],
)
@pytest.mark.parametrize("switches", [[], ["-d"]], ids=["foreground", "daemon"])
def test_a_pidfile_that_cannot_be_written(
    world: World, switches: list[str], place: str, reason: str
) -> None:
    (world.directory / "a_file").touch()
    (world.directory / "a_directory").mkdir()
    (world.directory / "a_link").symlink_to("a_file")
    path = world.directory / place
    remedy = "set another pidfile"
    if place.startswith("missing"):
        remedy = f"mkdir -p {path.parent}"
    result = world.run(*switches, pidfile=path)
    assert result.returncode == 1
    assert result.stderr == (
        f"queue_mover3: pidfile: cannot write {path}: {reason}; remedy: {remedy}\n"
    )
    assert (world.directory / "a_file").read_text() == ""


# -r -s -k


@pytest.mark.parametrize("switch", ["-r", "-s", "-k", "--reload", "--stop", "--kill"])
def test_a_signal_for_nobody(world: World, switch: str) -> None:
    """Whether something runs is not known: an init script must not take it for stopped."""
    result = world.run(switch)
    assert result.returncode == 1
    assert result.stderr == f"queue_mover3: No pidfile {world.pidfile}, process not running\n"


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        ("-s", "cannot read {path}: Is a directory; remedy: correct pidfile in the config file"),
        ("--reset", ""),
        ("-q", "cannot write {path}: Is a directory; remedy: set another pidfile"),
    ],
)
def test_a_pidfile_that_is_a_directory_is_one_line(world: World, switch: str, words: str) -> None:
    path = world.directory / "folder.pid"
    path.mkdir()
    result = world.run(switch, pidfile=path)
    assert result.returncode == bool(words)
    wanted = f"queue_mover3: pidfile: {words.format(path=path)}\n"
    assert "Traceback" not in result.stderr
    assert not words or result.stderr == wanted


@pytest.mark.parametrize("switch", ["-r", "-s", "-k"])
def test_a_signal_from_another_directory_finds_nobody_and_says_where(
    world: World, switch: str
) -> None:
    # given a daemon whose pidfile is relative to where it was started
    config = world.write(pidfile="run.pid", logfile=None)
    started = run([script("queue_mover3"), "-d", config], cwd=world.directory).check()
    assert "WARNING logfile: not set: with -d, nothing is logged from here on" in started.stderr
    pid = world.adopt(world.directory / "run.pid")
    elsewhere = world.directory / "elsewhere"
    elsewhere.mkdir()
    # when it is signalled from elsewhere
    result = run([script("queue_mover3"), switch, config], cwd=elsewhere)
    # then that is an error, which names the file that was looked for
    assert result.returncode == 1
    assert result.stderr == (
        f"queue_mover3: No pidfile {elsewhere / 'run.pid'}, process not running;"
        " remedy: run this where it was started\n"
    )
    assert process_alive(pid)
    run([script("queue_mover3"), "-s", config], cwd=world.directory).check()
    world.stopped(pid)


def test_a_start_from_elsewhere_says_where_its_files_are(world: World) -> None:
    config = world.write(pidfile="run.pid", logfile="run.log", loop_delay=0)
    elsewhere = world.directory / "elsewhere"
    elsewhere.mkdir()
    beside = run([script("queue_mover3"), config], cwd=world.directory).check()
    assert " WARNING " not in beside.stderr
    result = run([script("queue_mover3"), config], cwd=elsewhere).check()
    told = [line.partition(" WARNING ")[2] for line in result.stderr.splitlines()]
    assert [line for line in told if line] == [
        f"{config}: {key}: is relative to the current directory: {elsewhere / name}; remedy:"
        f" {key} = {world.directory / name}, or always start and stop it from {elsewhere}"
        for key, name in (("pidfile", "run.pid"), ("logfile", "run.log"))
    ]


@pytest.mark.parametrize("switch", ["-r", "-s", "-k"])
def test_a_signal_for_a_dead_process_reaches_nobody_else(world: World, switch: str) -> None:
    with Process(["sleep", "60"], world.directory) as bystander:
        world.pidfile.write_text(f"{bystander.pid}\n")
        result = world.run(switch).check()
        assert result.stderr.endswith(" WARNING pidfile exists, but process not running\n")
        assert bystander.running


def test_a_signal_without_a_pidfile(world: World) -> None:
    result = world.run("-s", pidfile=None).check()
    assert result.stderr.endswith(" WARNING No pidfile in config, nothing to do\n")


def test_stop_reload_and_kill_reach_the_process(world: World) -> None:
    first = world.start()
    assert world.run("-r").check().stderr == ""
    world.logged("Config reloaded")
    assert world.run("-s").check().stderr == ""
    assert first.wait() == 0
    second = world.start()
    world.run("-k").check()
    assert second.wait() == 128 + signal.SIGTERM
    assert not world.pidfile.exists()
