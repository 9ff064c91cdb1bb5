"""On stderr to the systemd journal, lines begin with their priority and have no time."""

import logging
import re
import sys
from pathlib import Path

import pytest

from queue_mover.system.journal import JournalFormatter
from testbed.processes import Process, script
from tests.command.world import World


def said(world: World, *switches: str, shift: int = 0, **changes: object) -> str:
    """What a run writes to a stderr that systemd has connected, as it says in the environment.

    `shift`: added to the inode in the variable, which is then about another stream.
    """
    error = world.directory / "mover.err"
    error.touch()
    found = error.stat()
    environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + shift}"}
    argv = [script("queue_mover3"), *switches, str(world.write(loop_delay=0, **changes))]
    with Process(argv, world.directory, name="mover", env=environment) as process:
        process.wait()
    return error.read_text()


@pytest.fixture
def loaded(world: World) -> World:
    """Two events are waiting."""
    world.register()
    world.produce(2)
    return world


def test_lines_have_a_priority_and_no_time(loaded: World) -> None:
    lines = said(loaded).splitlines()
    assert any(line.startswith("<6>INFO {count: 2, duration: ") for line in lines)
    assert [line for line in lines if not line.startswith("<6>INFO ")] == []


def test_the_file_is_as_ever(loaded: World) -> None:
    said(loaded)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ INFO "
    assert loaded.log
    assert [line for line in loaded.log.splitlines() if not re.match(stamp, line)] == []


def test_a_format_of_the_config_is_kept(loaded: World) -> None:
    text = said(loaded, logfmt_console="%%(asctime)s! %%(message)s")
    assert [line for line in text.splitlines() if not re.match(r"<6>\d{4}-.*! ", line)] == []


def test_json_has_a_priority_too(loaded: World) -> None:
    lines = said(loaded, log_format="json").splitlines()
    assert [line for line in lines if not line.startswith('<6>{"time": ')] == []
    assert "<" not in loaded.log


def test_debug_lines(loaded: World) -> None:
    levels = {line.split()[0] for line in said(loaded, "-v", exception_sleep=1).splitlines()}
    assert levels == {"<6>INFO", "<7>DEBUG"}


@pytest.mark.parametrize("shift", [1, 2])
def test_another_stream_is_not_the_journal(loaded: World, shift: int) -> None:
    assert "<6>" not in said(loaded, shift=shift)


def test_an_error_at_the_start(world: World) -> None:
    """Before there is a log."""
    text = said(world, src_db="dbname")
    assert re.fullmatch(r"<3>queue_mover3: .*\n", text)


def test_an_error_in_the_log(world: World) -> None:
    assert re.search(r'^<3>ERROR .*"no_such_queue"', said(world, queue_name="no_such_queue"), re.M)


@pytest.mark.parametrize(
    ("level", "prefix"),
    [
        (logging.CRITICAL, "<2>"),
        (logging.ERROR, "<3>"),
        (logging.WARNING, "<4>"),
        (logging.INFO, "<6>"),
        (logging.DEBUG, "<7>"),
        (5, "<7>"),
    ],
)
def test_priorities(level: int, prefix: str) -> None:
    record = logging.LogRecord("job", level, __file__, 1, "text", (), None)
    assert JournalFormatter(logging.Formatter("%(message)s")).format(record) == f"{prefix}text"


def test_each_line_of_a_traceback_has_it() -> None:
    try:
        Path("/no/such/file").read_text()
    except OSError:
        record = logging.LogRecord("job", 40, __file__, 1, "crashed", (), sys.exc_info())
    lines = JournalFormatter(logging.Formatter("%(message)s")).format(record).splitlines()
    assert len(lines) > 3
    assert [line for line in lines if not line.startswith("<3>")] == []
