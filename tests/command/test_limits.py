"""Too few open files, and a disk that is full under the log: one line, and no traceback."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.log_lines import news
from testbed.processes import run, script
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
        "queue_mover3: 50 sources: up to 132 open files are needed, 40 are allowed;"
        " remedy: ulimit -n 132, or LimitNOFILE=132 in the service's unit\n"
    )


def test_the_soft_limit_is_no_limit(world: World) -> None:
    config = world.write(loop_delay=0)
    world.register()
    world.produce(2)
    command = ["sh", "-c", 'ulimit -Sn 20; exec "$@"', "sh", script("queue_mover3")]
    result = run([*command, config]).check()
    assert world.arrived() == 2
    assert " ERROR " not in result.stderr


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
    process.wait_for_output(f"WARNING logfile: {log} can be written again")
    assert process.stop() == 0
    # then the console has all lines, and no traceback
    assert "Traceback" not in process.stderr
    assert process.stderr.count("logfile: ") == 2
    assert process.stderr.count("{count: 1, ") == 61
    assert "can be written again" in log.read_text()


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
