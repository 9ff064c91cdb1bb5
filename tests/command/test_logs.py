"""What is logged, where, and how its lines look."""

import re
import signal
import socket
from pathlib import Path

import pytest

from queue_mover.system import logs
from testbed.processes import run, script
from tests.command.world import World

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def moved_once(world: World, *switches: str, **changes: object) -> str:
    """Move one batch of two events; what came on stderr."""
    if world.consumer() is None:
        world.register()
    world.produce(2)
    return world.drain(*switches, **changes).check().stderr


def test_the_default_line(world: World) -> None:
    lines = moved_once(world).splitlines()
    assert lines
    for line in lines:
        assert re.match(rf"{STAMP} \d+ INFO ", line), line


def test_a_statistics_line_per_batch(world: World) -> None:
    world.register()
    for _ in range(3):
        world.produce(2)
    world.drain(max_batch_events=0).check()
    number = r"\d+\.\d{1,4}"
    pattern = rf"^{STAMP} \d+ INFO \{{count: 2, duration: {number}, idle: {number}\}}$"
    assert len(re.findall(pattern, world.log, re.MULTILINE)) == 3


def test_a_batch_without_events_has_its_line_too(world: World) -> None:
    world.register()
    world.produce(0)
    assert re.search(r" INFO \{count: 0, duration: [\d.]+\}$", world.drain().check().stderr, re.M)


def test_the_log_file_is_in_addition_to_stderr(world: World) -> None:
    said = moved_once(world)
    assert "{count: 2, " in said
    assert said == world.log


def test_without_a_log_file(world: World) -> None:
    assert "{count: 2, " in moved_once(world, logfile=None)
    assert list(world.directory.glob("*.log")) == []


def test_a_source_with_a_percent_sign_has_its_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Given the name of a source, or of a queue that a pattern has found."""
    log = logs.logger("job", "100%/app%s")
    log.error("no queue %s, %d waiting", "50%", 7)
    log.warning("5% are left")
    assert [record.getMessage() for record in caplog.records] == [
        "100%/app%s: no queue 50%, 7 waiting",
        "100%/app%s: 5% are left",
    ]


def test_a_letter_that_the_locale_lacks_is_escaped(world: World) -> None:
    """Given a locale without it, such as en_GB, which is ISO-8859-1: no line is lost."""
    world.register()
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    config = world.write(job_name="räksmörgås", consumer_name=world.job, loop_delay=0)
    for switches in ([], ["--status"]):
        result = run([script("queue_mover3"), *switches, config], env=ascii_only).check()
        assert "r\\xe4ksm\\xf6rg\\xe5s" in (result.stdout if switches else result.stderr)
        assert "Traceback" not in result.stderr
    assert "started: job r\\xe4ksm\\xf6rg\\xe5s" in world.log


def test_the_log_file_grows_from_run_to_run(world: World) -> None:
    said = moved_once(world) + moved_once(world)
    assert world.log == said


FORMATS: dict[str, object] = {
    "logfmt_file": "F %%(levelname)s %%(message)s",
    "logfmt_console": "C %%(levelname)s %%(message)s",
    "logfmt_file_verbose": "FV %%(levelname)s %%(message)s",
    "logfmt_console_verbose": "CV %%(levelname)s %%(message)s",
}


@pytest.mark.parametrize(("switches", "suffix"), [([], ""), (["-v"], "V"), (["-vv"], "V")])
def test_formats(world: World, switches: list[str], suffix: str) -> None:
    said = moved_once(world, *switches, **FORMATS)
    assert {line.split()[0] for line in said.splitlines()} == {f"C{suffix}"}
    assert {line.split()[0] for line in world.log.splitlines()} == {f"F{suffix}"}


def test_without_a_verbose_format_the_usual_one_applies(world: World) -> None:
    formats = {**FORMATS, "logfmt_file_verbose": None, "logfmt_console_verbose": None}
    said = moved_once(world, "-v", **formats)
    assert {line.split()[0] for line in said.splitlines()} == {"C"}
    assert {line.split()[0] for line in world.log.splitlines()} == {"F"}


@pytest.mark.parametrize(("switches", "console", "file"), [([], "C", "F"), (["-v"], "CV", "FV")])
def test_date_formats(world: World, switches: list[str], console: str, file: str) -> None:
    dates: dict[str, object] = {
        f"logdatefmt_{kind}{suffix}": f"{kind[0].upper()}{suffix and 'V'}:%%Y"
        for kind in ("file", "console")
        for suffix in ("", "_verbose")
    }
    said = moved_once(world, *switches, **dates)
    assert re.fullmatch(rf"({console}:\d{{4}} \d+ (INFO|DEBUG) .*\n)+", said)
    assert re.fullmatch(rf"({file}:\d{{4}} \d+ (INFO|DEBUG) .*\n)+", world.log)


def test_the_job_name_is_the_loggers(world: World) -> None:
    assert f"{world.job}: {{count: 2" in moved_once(world, logfmt_console="%%(name)s: %%(message)s")


def test_rotation(world: World) -> None:
    """Given small files, then only so many are kept, and the newest line is in the first."""
    for _ in range(4):
        moved_once(world, log_size=150, log_count=2)
    files = sorted(path.name for path in world.directory.glob("mover.log*"))
    assert files == ["mover.log", "mover.log.1", "mover.log.2"]
    assert all(0 < (world.directory / name).stat().st_size <= 150 for name in files)


def test_no_rotation_of_large_enough_files(world: World) -> None:
    for _ in range(3):
        moved_once(world)
    assert [path.name for path in world.directory.glob("mover.log*")] == ["mover.log"]
    assert world.log.count("{count: 2, ") == 3


def test_a_log_file_without_its_folder_tells_how_to_make_it(world: World) -> None:
    folder = world.directory / "missing" / "log"
    result = world.run(logfile=folder / "mover.log")
    assert result.returncode == 1
    assert result.stderr.endswith(f"; remedy: mkdir -p {folder}\n")


@pytest.mark.parametrize("path", ["a_file/mover.log", "a_directory"])
def test_a_log_file_that_cannot_be_written(world: World, path: str) -> None:
    (world.directory / "a_file").touch()
    (world.directory / "a_directory").mkdir()
    result = world.run(logfile=world.directory / path)
    assert result.returncode == 1
    assert re.fullmatch(
        rf"queue_mover3: logfile: cannot write {world.directory / path}: [\w ]+;"
        " remedy: set another logfile\n",
        result.stderr,
    )


@pytest.mark.parametrize("key", ["logfmt_file", "logfmt_console"])
def test_a_format_that_is_none(world: World, key: str) -> None:
    result = world.run(**{key: "%%(message)"})
    assert result.returncode == 1
    assert result.stderr.startswith(f"queue_mover3: {key}: ")
    assert result.stderr.count("\n") == 1


def test_idle_lines(world: World) -> None:
    process = world.start(keepalive_stats=0.3)
    for times in (1, 2, 3):
        world.logged("INFO {idle: ", times)
    assert process.stop() == 0
    found = [float(text) for text in re.findall(r" INFO \{idle: ([\d.]+)\}$", world.log, re.M)]
    assert min(found) > 0.3


def test_events_keep_idle_lines_away(world: World) -> None:
    process = world.start(keepalive_stats=300)
    world.produce(2)
    world.logged("{count: 2, ")
    assert process.stop() == 0
    assert "{idle: " not in world.log


def test_a_warning_about_a_misspelt_key(world: World) -> None:
    world.register()
    said = world.drain("-q", dst_queue="x", loop_delay=0).check().stderr
    assert re.fullmatch(
        rf"{STAMP} \d+ WARNING {re.escape(str(world.config))}: dst_queue: unknown key,"
        r" did you mean dst_queue_name\?\n",
        said,
    )


# Logging configs: use_skylog

SKYLOG = """
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = short
[logger_root]
level = DEBUG
handlers = file
[handler_file]
class = FileHandler
args = ('{path}',)
formatter = short
[formatter_short]
format = SKY %(job_name)s %(service_name)s %(levelname)s %(message)s
"""


def skylog(directory: Path, name: str = "skylog.ini") -> Path:
    text = SKYLOG.format(path=directory / "skylog.out")
    # What the program offers to the file stands in it literally.
    text = text.replace("%(job_name)s", "job").replace("%(service_name)s", "service")
    (directory / name).write_text(text)
    return directory / "skylog.out"


@pytest.mark.parametrize("level", [1, 2])
def test_a_logging_config_takes_over_stderr(world: World, level: int) -> None:
    out = skylog(world.directory)
    assert moved_once(world, use_skylog=level) == ""
    assert "SKY job service INFO {count: 2, " in out.read_text()
    assert "{count: 2, " in world.log


def test_without_use_skylog_it_is_not_looked_for(world: World) -> None:
    out = skylog(world.directory)
    assert "{count: 2, " in moved_once(world, use_skylog=0)
    assert not out.exists()


def test_the_level_is_that_of_the_switches(world: World) -> None:
    out = skylog(world.directory)
    moved_once(world, "-q", use_skylog=2)
    assert out.read_text() == ""


def test_the_first_location_that_exists_counts(world: World) -> None:
    skylog(world.directory, "second.ini")
    (world.directory / "third.ini").write_text("nonsense")
    said = moved_once(world, use_skylog=2, skylog_locations="first.ini, second.ini, third.ini")
    assert said == ""


def test_a_daemon_uses_it(world: World) -> None:
    out = skylog(world.directory)
    world.register()
    world.produce(2)
    pid = world.daemon(use_skylog=1)
    world.wait_for_events(2)
    world.logged("{count: 2, ")
    world.run("-s", use_skylog=1).check()
    world.stopped(pid)
    assert "SKY job service INFO {count: 2, " in out.read_text()


@pytest.mark.parametrize("level", [1, 2])
def test_no_logging_config_found(world: World, level: int) -> None:
    result = world.run(use_skylog=level, skylog_locations="missing.ini")
    assert result.returncode == 1
    assert result.stderr == (
        "queue_mover3: skylog.ini not found; remedy: set use_skylog = 0, or skylog_locations\n"
    )


@pytest.mark.parametrize("text", ["nonsense", "[loggers]\nkeys = root\n", ""])
def test_a_logging_config_that_cannot_be_used(world: World, text: str) -> None:
    bad = world.directory / "bad.ini"
    bad.write_text(text)
    result = world.run(use_skylog=2, skylog_locations=bad)
    assert result.returncode == 1
    assert result.stderr.startswith(f"queue_mover3: {bad}: not a usable logging config: ")
    assert result.stderr.count("\n") == 1


def test_formats_of_old_configs_need_no_extra(world: World) -> None:
    out = skylog(world.directory)
    config = world.directory / "skylog.ini"
    short = "SKY job service %(levelname)s %(message)s"
    old = "%(hostname)s %(service_name)s %(job_name)s %(levelname)s %(message)s"
    assert short in config.read_text()
    config.write_text(config.read_text().replace(short, old))

    assert moved_once(world, use_skylog=2) == ""

    line = f"{socket.gethostname()} queue_mover3 {world.job} INFO {{count: 2, "
    assert line in out.read_text()


def test_formats_of_the_ini_file_may_name_host_and_job(world: World) -> None:
    wanted = "%%(hostname)s %%(service_name)s/%%(job_name)s: %%(message)s"
    said = moved_once(world, logfmt_console=wanted)
    assert f"{socket.gethostname()} queue_mover3/{world.job}: {{count: 2, " in said


def test_after_a_reload_records_still_name_the_job(world: World) -> None:
    settings: dict[str, object] = {"logfmt_file": "%%(job_name)s: %%(message)s"}
    process = world.start(**settings)
    world.write(**settings, keepalive_stats=299)
    process.send(signal.SIGHUP)
    world.logged(f"{world.job}: Config reloaded")
    assert process.stop() == 0


@pytest.mark.parametrize("handler", ["LogDBHandler", "UdpLogServerHandler"])
def test_a_skylog_handler_without_the_extra_names_the_remedy(world: World, handler: str) -> None:
    skylog(world.directory)
    config = world.directory / "skylog.ini"
    text = config.read_text()
    config.write_text(text.replace("class = FileHandler", f"class = skylog.{handler}"))

    # The tests have it.
    (world.directory / "skytools.py").write_text("raise ImportError")
    file = world.write(use_skylog=2, skylog_locations=config)
    result = run([script("queue_mover3"), file], env={"PYTHONPATH": str(world.directory)})

    assert result.returncode == 1
    assert result.stderr == (
        f"queue_mover3: {config}: its skylog handlers are not installed;"
        " remedy: pip install 'queue-mover[skylog]'\n"
    )
