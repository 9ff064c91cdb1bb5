"""The units under a real systemd: a user manager in a mount namespace of its own.

It takes the units with their restrictions, except those that hide what the test needs (the user,
and the home and temporary directories, where Python and the mover may be) or that a container
refuses.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.processes import Process, Result, run, script, wait_until, write_ini
from testbed.queues import insert_event, last_tick
from testbed.reaper import private_directory, remove_directory
from tests.command.world import PATIENCE, World
from tests.contrib.files import CONTRIB, optional_program

SYSTEMD = Path("/lib/systemd/systemd")
BOOTED = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system"
"""systemd runs for a user only where it was started at boot; it looks at this directory."""

CHANGES = """
[Service]
User=
Group=
PrivateTmp=no
ProtectHome=no
ProtectKernelLogs=no
ProtectKernelTunables=no
ReadWritePaths={directory}
WatchdogSec=2
RestartSec=0.1
"""


class Systemd:
    """A user manager that knows the units, of the mover unless another one is set."""

    def __init__(self, directory: Path, world: World) -> None:
        self.unit = f"queue_mover3@{world.job}.service"
        self._environment = {
            "XDG_RUNTIME_DIR": str(directory),
            "XDG_CONFIG_HOME": str(directory / "config"),
        }
        units = directory / "config" / "systemd" / "user"
        for installed in (CONTRIB / "systemd").glob("*.service"):
            changes = units / f"{installed.name}.d"
            changes.mkdir(parents=True)
            (changes / "test.conf").write_text(CHANGES.format(directory=world.directory))
            text = installed.read_text()
            text = text.replace("/opt/queue_mover/bin", str(Path(script("queue_mover3")).parent))
            text = text.replace("/etc/queue_mover3/%i.ini", f"{world.directory}/%i.ini")
            (units / installed.name).write_text(text)
        command = f"{BOOTED} && exec {SYSTEMD} --user --unit=basic.target"
        argv = ["unshare", "--mount", "--propagation=private", "sh", "-c", command]
        self.process = Process(argv, directory, name="systemd", env=self._environment)

    def ctl(self, command: str, *words: str) -> Result:
        """Run systemctl on the unit."""
        argv = ["systemctl", "--user", "--no-pager", command, self.unit, *words]
        return run(argv, env=self._environment)

    def shown(self, name: str) -> str:
        """A property of the unit."""
        return self.ctl("show", f"--property={name}", "--value").check().stdout.strip()

    @property
    def answers(self) -> bool:
        """Whether it is ready for commands."""
        return self.ctl("show").returncode == 0


@pytest.fixture
def systemd(world: World) -> Iterator[Systemd]:
    optional_program("systemctl", "systemd")
    if os.geteuid() != 0 or sys.platform != "linux" or not SYSTEMD.exists():
        pytest.skip("a systemd of its own needs root")
    directory = private_directory()
    made = Systemd(directory, world)
    try:
        wait_until(lambda: made.answers or not made.process.running, PATIENCE, "systemd")
        if not made.process.running:
            pytest.skip(f"systemd does not run here: {made.process.stderr}")
        yield made
        made.ctl("kill", "--signal=KILL")
    finally:
        made.process.stop(signal.SIGTERM)
        remove_directory(directory)


def test_the_life_of_a_unit(world: World, systemd: Systemd) -> None:
    world.write()
    # when it is started, then it works
    started = systemd.ctl("start")
    assert started.returncode == 0, systemd.ctl("status").stdout
    assert systemd.shown("ActiveState") == "active"
    assert world.consumer() is not None
    world.produce(3)
    world.wait_for_events(3)
    wait_until(lambda: systemd.shown("StatusText") == "3 events moved", PATIENCE, "the status")
    # when it is reloaded
    systemd.ctl("reload").check()
    world.logged("Config reloaded")
    wait_until(lambda: systemd.shown("ActiveState") == "active", PATIENCE, "the reload's end")
    # when its main thread hangs, then it is started again
    frozen = int(systemd.shown("MainPID"))
    os.kill(frozen, signal.SIGSTOP)
    wait_until(lambda: systemd.shown("NRestarts") == "1", PATIENCE, "the watchdog")
    wait_until(lambda: systemd.shown("ActiveState") == "active", PATIENCE, "the restart")
    world.produce(3, first=4)
    world.wait_for_events(6)
    assert world.identical()
    # when it is stopped
    systemd.ctl("stop").check()
    assert systemd.shown("Result") == "success"
    assert "stopped by SIGINT" in world.log.splitlines()[-1]


def test_a_term_is_a_stop_and_a_bad_config_a_failure(world: World, systemd: Systemd) -> None:
    world.write()
    systemd.ctl("start").check()
    world.run("-k").check()
    wait_until(lambda: systemd.shown("ActiveState") == "inactive", PATIENCE, "the end")
    assert systemd.shown("NRestarts") == "0"
    world.write(queue_name="no_such_queue")
    assert systemd.ctl("start").returncode != 0
    wait_until(lambda: systemd.shown("ActiveState") == "failed", PATIENCE, "the last attempt")
    assert 0 < int(systemd.shown("NRestarts")) <= 5


def test_a_mover_that_gives_up_is_started_again(world: World, systemd: Systemd) -> None:
    """Also after it has announced its end."""
    world.write()
    systemd.ctl("start").check()
    world.produce(1)
    world.wait_for_events(1)
    world.target.execute("update pgq_ext.completed_tick set last_tick_id = last_tick_id + 100")
    world.produce(1, first=2)
    world.logged("Lost position")
    wait_until(lambda: int(systemd.shown("NRestarts")) > 0, PATIENCE, "a restart")


def test_the_ticker(world: World, systemd: Systemd) -> None:
    systemd.unit = "pgqadm-ticker@ticker.service"
    write_ini(world.directory / "ticker.ini", "pgqadm", {"db": world.source_db.conninfo()})
    before = last_tick(world.source, world.source_queue)
    systemd.ctl("start").check()
    insert_event(world.source, world.source_queue, "type", "data")
    wait_until(
        lambda: last_tick(world.source, world.source_queue) > before, PATIENCE, "a tick", 0.2
    )
    assert systemd.shown("StatusText") == "running"
    systemd.ctl("stop").check()
    assert systemd.shown("Result") == "success"
