"""Too few open files, and a disk that is full under the log: one line, and no traceback."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.log_lines import news
from testbed.processes import run, script
from testbed.queues import create_queue
from tests.command.world import World

SOURCES = 50


def many_sources(world: World) -> Path:
    config = world.write(src_db=None, pidfile=None)
    sections = [
        f"[source:s{number}]\nsrc_db = {world.source_db.conninfo()}\n"
        f"queue_name = {world.source_queue}_{number}\n"
        for number in range(SOURCES)
    ]
    config.write_text(config.read_text() + "\n".join(sections))
    return config


def test_too_few_files_are_told_in_one_line(world: World) -> None:
    command = ["sh", "-c", 'ulimit -n 40; exec "$@"', "sh", script("queue_mover3")]
    result = run([*command, many_sources(world)])
    assert result.returncode == 1
    assert result.stderr == (
        "queue_mover3: 50 sources: up to 182 open files are needed, 40 are allowed;"
        " remedy: ulimit -n 182, or LimitNOFILE=182 in the systemd unit\n"
    )


def test_the_soft_limit_is_no_limit(world: World) -> None:
    config = world.write(loop_delay=0)
    world.register()
    world.produce(2)
    command = ["sh", "-c", 'ulimit -Sn 20; exec "$@"', "sh", script("queue_mover3")]
    result = run([*command, config]).check()
    assert world.arrived() == 2
    assert " ERROR " not in result.stderr


@pytest.mark.parametrize("limit", ["-n 30", "-Sn 20"])
def test_status_asks_as_many_sources_at_once_as_files_allow(world: World, limit: str) -> None:
    command = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", script("pgqadm")]
    result = run([*command, "status", "--movers", many_sources(world)])
    # then all have been looked at: none has its queue
    assert result.returncode == 1
    assert result.stdout.count("source database: no queue") == SOURCES


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_log_on_a_full_disk_is_told_once_and_once_when_it_is_not(
    world: World, small_disk: Path
) -> None:
    world.register()
    log = small_disk / "mover.log"
    process = world.start(logfile=log)
    ballast = small_disk / "ballast"
    # when the disk gets full
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"x" * 65536)
    with pytest.raises(OSError, match="No space"):
        ballast.with_name("rest").write_bytes(b"x" * 65536)
    for number in range(60):
        world.produce(1, first=1 + number)
        world.wait_for_events(1 + number)
    process.wait_for_output(f"ERROR logfile: cannot write {log}: No space left on device; ")
    # and has room again
    ballast.unlink()
    ballast.with_name("rest").unlink()
    world.produce(1, first=100)
    world.wait_for_events(61)
    process.wait_for_output(f"WARNING logfile: {log} is writable again")
    assert process.stop() == 0
    # then the console has all lines, and no traceback
    assert "Traceback" not in process.stderr
    assert process.stderr.count("logfile: ") == 2
    assert process.stderr.count("{count: 1, ") == 61
    assert "is writable again" in log.read_text()


def test_a_log_that_can_never_be_written(world: World) -> None:
    world.register()
    world.produce(2)
    result = world.drain(logfile="/dev/full").check()
    assert [line for line in news(result.stderr) if "logfile" in line]
    assert result.stderr.count("cannot write /dev/full: No space left on device") == 1
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr


def test_the_log_begins_and_ends_with_the_process(world: World) -> None:
    world.register()
    process = world.start()
    world.produce(2)
    world.wait_for_events(2)
    assert process.stop() == 0
    lines = world.log.splitlines()
    assert lines[0].endswith(f" started: job {world.job}, pid {process.pid}, 1 source")
    assert lines[-1].endswith(" INFO ended with exit code 0: stopped by SIGINT")
    assert len(news(world.log)) == len(lines) - 2


def test_the_last_line_tells_why_it_failed(world: World) -> None:
    world.run(queue_name="nothing")
    last = world.log.splitlines()[-1]
    assert ' WARNING ended with exit code 1: source database: no queue "nothing"' in last


NO_THREAD = """
import os
import threading

start = threading.Thread.start

def limited(thread):
    if thread.name in ("s1", os.environ.get("NO_THREAD")):
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = limited
"""
"""A sitecustomize of a system that has no more threads when source s1 wants one."""


def test_a_source_without_a_thread_fails_alone_and_in_one_line(
    world: World, tmp_path: Path
) -> None:
    # given two sources that can work, and a thread for one of them
    config = world.write(loop_delay=0, src_db=None)
    here = f"src_db = {world.source_db.conninfo()}"
    other = f"{world.source_queue}_other"
    create_queue(world.source, other)
    config.write_text(
        f"{config.read_text()}\n[source:s0]\n{here}\n[source:s1]\n{here}\nqueue_name = {other}\n"
    )
    (tmp_path / "sitecustomize.py").write_text(NO_THREAD)
    # when
    result = run([script("queue_mover3"), config], env={"PYTHONPATH": str(tmp_path)})
    # then
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    (told,) = [line for line in news(result.stderr) if " ERROR " in line]
    assert " ERROR s1: can't start new thread; remedy: raise TasksMax=" in told
    assert "INFO s0: Registering" in result.stderr
    assert " WARNING ended with exit code 1: failed: s1: can't" in world.log.splitlines()[-1]


def test_a_config_that_no_thread_can_read_is_one_line(world: World, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_THREAD)
    env = {"PYTHONPATH": str(tmp_path), "NO_THREAD": "config"}
    result = run([script("queue_mover3"), world.write()], env=env)
    assert result.returncode == 1
    assert result.stderr.startswith("queue_mover3: can't start new thread; remedy: raise TasksMax=")
    assert result.stderr.count("\n") == 1
