"""logrotate renames the log file, HUP makes the program open a new one: no line is lost."""

import re
from pathlib import Path

from testbed.processes import Process, run, wait_until
from tests.command.world import PATIENCE, World
from tests.contrib.files import CONTRIB, optional_program

INSTALLED = (CONTRIB / "logrotate" / "queue_mover3").read_text()
ROUNDS = 3
BATCHES = 8
"""Between two rotations."""


def configure(world: World) -> Path:
    """The file of contrib/ for the log of this world, which the user of this test owns."""
    own = re.sub(r"^ *su .*\n", "", INSTALLED, flags=re.MULTILINE)
    config = world.directory / "rotate.conf"
    config.write_text(own.replace("/var/log/queue_mover3/*.log", str(world.directory / "*.log")))
    config.chmod(0o644)
    return config


def systemctl(directory: Path, process: Process) -> Path:
    """A stand-in that sends the signal as systemd would, and writes down what it was given."""
    program = directory / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{directory}/systemctl.calls\nkill -HUP {process.pid}\n'
    )
    program.chmod(0o755)
    return program.parent


def all_lines(world: World) -> str:
    """Of all log files; the older ones are compressed."""
    files = sorted(world.directory.glob("mover.log*"))
    return "".join(run(["gzip", "-dcf", file]).check().stdout for file in files)


def test_no_line_is_lost(world: World) -> None:
    program = optional_program("logrotate", "logrotate")
    world.register()
    process = world.start(log_size=0, max_batch_events=0)
    folder = systemctl(world.directory, process)
    environment = {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}
    state = world.directory / "rotate.state"
    command = [program, "--force", "--state", str(state), str(configure(world))]
    # when the file is rotated while batches arrive
    batches = 0
    for _ in range(ROUNDS):
        for half in range(2):
            for _ in range(BATCHES // 2):
                world.produce(2, first=2 * batches + 1)
                batches += 1
            if half == 0:
                run(command, env=environment).check()
        wait_until(lambda: "Config reloaded" in world.log, PATIENCE, "the reload")
        world.wait_for_events(2 * batches)
    assert process.stop() == 0
    # then
    lines = all_lines(world)
    assert sum(int(count) for count in re.findall(r"INFO \{count: (\d+),", lines)) == 2 * batches
    assert lines.count("Config reloaded") == ROUNDS
    assert lines.count(" started: job ") == 1
    assert lines.count("ended with exit code 0") == 1
    # and the newest lines are in the newest file
    assert "ended with exit code 0" in world.log
    assert " started: job " not in world.log
    # and only files that nobody writes to are compressed
    names = {path.name for path in world.directory.glob("mover.log*")}
    assert names == {"mover.log", "mover.log.1", "mover.log.2.gz", "mover.log.3.gz"}
    calls = (world.directory / "systemctl.calls").read_text().splitlines()
    assert calls == ["kill --signal=HUP queue_mover3@*.service pgqadm-ticker@*.service"] * ROUNDS


def test_without_hup_the_old_file_would_be_written_on(world: World) -> None:
    """Which is why the file has a postrotate."""
    program = optional_program("logrotate", "logrotate")
    process = world.start(log_size=0)
    config = configure(world)
    config.write_text(re.sub(r"postrotate.*endscript", "", config.read_text(), flags=re.DOTALL))
    command = [program, "--force", "--state", str(world.directory / "state"), str(config)]
    run(command).check()
    assert process.stop() == 0
    assert "ended with exit code 0" in (world.directory / "mover.log.1").read_text()
    assert world.log == ""


def test_logrotate_accepts_the_file_as_it_is(tmp_path: Path) -> None:
    """In debug mode it changes nothing, and it does not look for the user of `su`."""
    program = optional_program("logrotate", "logrotate")
    config = tmp_path / "queue_mover3"
    config.write_text(INSTALLED.replace("su queue_mover queue_mover", "su root root"))
    config.chmod(0o644)
    result = run([program, "--debug", config]).check()
    assert "error" not in result.stderr
