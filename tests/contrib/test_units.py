"""The units are what systemd accepts, and as restricted as the page says."""

import configparser
import re
import shlex
from pathlib import Path

import pytest

from queue_mover.cli import pgqadm, queue_mover3
from queue_mover.service.stalls import LAST_WAIT, UNANSWERED
from queue_mover.service.supervisor import EXIT_TERMINATED
from queue_mover.system.limits import BASE_FILES, FILES_PER_CONNECTION
from testbed.processes import Result, run, script
from tests.contrib.files import CONTRIB, optional_program

UNITS = sorted((CONTRIB / "systemd").glob("*.service"))
INSTALLED = "/opt/queue_mover/bin"
EXPOSURE = 2.0
"""The highest exposure, from 0 to 10, that is accepted; docs/systemd.md names it."""

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def service(unit: Path) -> dict[str, str]:
    """Section [Service]; of a repeated key the last value."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return dict(parser["Service"])


def analyze(directory: Path, unit: Path, *words: str, change: tuple[str, str] = ("", "")) -> Result:
    """Run systemd-analyze on an instance of the unit, whose programs are ours."""
    program = optional_program("systemd-analyze", "systemd")
    text = unit.read_text().replace(INSTALLED, str(Path(script("queue_mover3")).parent))
    assert change[0] in text
    copy = directory / unit.name.replace("@", "@example")
    copy.write_text(text.replace(*change))
    return run([program, *words, copy])


def test_there_are_two() -> None:
    assert [unit.name for unit in UNITS] == ["pgqadm-ticker@.service", "queue_mover3@.service"]


@each_unit
def test_systemd_accepts_it(tmp_path: Path, unit: Path) -> None:
    result = analyze(tmp_path, unit, "verify", "--man=no").check()
    assert result.stdout + result.stderr == ""


@each_unit
def test_what_systemd_does_not_know_would_be_noticed(tmp_path: Path, unit: Path) -> None:
    change = ("RestartSec=", "RestartAfter=")
    result = analyze(tmp_path, unit, "verify", "--man=no", change=change)
    assert "RestartAfter" in result.stderr


@each_unit
def test_it_is_hardened(tmp_path: Path, unit: Path) -> None:
    threshold = f"--threshold={EXPOSURE * 10:g}"
    result = analyze(tmp_path, unit, "security", "--offline=yes", "--no-pager", threshold).check()
    (level,) = re.findall(r"Overall exposure level .*: ([\d.]+)", result.stdout)
    assert float(level) <= EXPOSURE


@each_unit
def test_a_unit_without_its_restrictions_would_be_noticed(tmp_path: Path, unit: Path) -> None:
    change = ("CapabilityBoundingSet=\n", "")
    words = ("security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE * 10:g}")
    assert analyze(tmp_path, unit, *words, change=change).returncode != 0


@each_unit
def test_the_program_takes_what_the_unit_gives_it(unit: Path) -> None:
    program, *words = shlex.split(service(unit)["ExecStart"].replace("%i", "example"))
    switches = {"queue_mover3": queue_mover3.switches, "pgqadm.py": pgqadm.switches}
    given = switches[Path(program).name]().parse_intermixed_args(words)
    assert given.config == Path("/etc/queue_mover3/example.ini")
    assert not given.daemon
    assert Path(program).parent == Path(INSTALLED)


@each_unit
def test_a_stop_has_the_time_that_the_program_takes(unit: Path) -> None:
    settings = service(unit)
    assert settings["KillSignal"] == "SIGINT"
    assert int(settings["TimeoutStopSec"]) > UNANSWERED + LAST_WAIT
    assert settings["Restart"] == "on-failure"
    assert settings["SuccessExitStatus"] == str(EXIT_TERMINATED)
    assert settings["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_the_limits_are_enough_for_ten_thousand_sources() -> None:
    settings = service(CONTRIB / "systemd" / "queue_mover3@.service")
    assert int(settings["LimitNOFILE"]) >= BASE_FILES + FILES_PER_CONNECTION * 10_004
    assert int(settings["TasksMax"]) > 10_000
