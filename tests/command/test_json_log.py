"""`log_format = json`: one object per line, of the shape that docs/systemd.md describes."""

import json
import logging
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from queue_mover.system.json_log import JsonFormatter
from queue_mover.system.statistics_line import statistics_line
from testbed.ini import write_sections
from testbed.processes import run, script, write_ini
from tests.command.world import World

PAGE = Path(__file__).parents[2] / "docs" / "systemd.md"
ALWAYS = {"time", "level", "pid", "job", "message"}

Line = dict[str, Any]


def objects(text: str) -> list[Line]:
    """Each line of a log, which must be an object."""
    lines: list[Line] = [json.loads(line) for line in text.splitlines()]
    assert lines
    return lines


def moved(world: World, *switches: str, **changes: object) -> list[Line]:
    """What is logged when two batches of two events are moved."""
    world.register()
    for _ in range(2):
        world.produce(2)
    changes = {"max_batch_events": 0, "log_format": "json", **changes}
    return objects(world.drain(*switches, **changes).check().stderr)


def test_each_line_is_an_object_with_the_same_keys(world: World) -> None:
    before = datetime.now(UTC)
    lines = moved(world)
    for line in lines:
        assert line.keys() >= ALWAYS
        assert line.keys() <= ALWAYS | {"statistics"}
        assert line["level"] == "INFO"
        assert line["job"] == world.job
        assert isinstance(line["pid"], int)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert times == sorted(times)
    assert (times[0] - before).total_seconds() > -0.001
    assert times[-1] <= datetime.now(UTC)


def test_a_statistics_line_has_its_values(world: World) -> None:
    found = [line for line in moved(world) if "statistics" in line]
    assert [line["statistics"]["count"] for line in found] == [2, 2]
    for line in found:
        values = line["statistics"]
        assert values.keys() == {"count", "duration", "idle"}
        assert line["message"] == statistics_line(values)


def test_the_file_has_the_same_lines_as_stderr(world: World) -> None:
    lines = moved(world)
    assert objects(world.log) == lines


def test_the_formats_of_the_text_have_no_effect(world: World) -> None:
    lines = moved(world, logfmt_console="text %%(message)s", logdatefmt_file="%%Y")
    assert objects(world.log) == lines


def test_a_source_has_its_name_in_a_key_not_in_the_message(world: World) -> None:
    shared = {key: value for key, value in world.settings.items() if key != "src_db"}
    sections = {
        "queue_mover3": {**shared, "loop_delay": 0, "log_format": "json"},
        "source:one": {"src_db": world.settings["src_db"]},
        "source:two": {"src_db": world.settings["src_db"], "queue_name": "no_such_queue"},
    }
    world.source.execute(
        "select pgq.register_consumer(%s, %s)", [world.source_queue, f"{world.job}.one"]
    )
    world.produce(2)
    config = write_sections(world.config, sections)
    lines = objects(run([script("queue_mover3"), str(config)], cwd=world.directory).stderr)
    (batch,) = [line for line in lines if "count" in line.get("statistics", {})]
    assert batch["source"] == "one"
    assert batch["statistics"].keys() == {"count", "duration", "idle"}
    (error,) = [line for line in lines if line["level"] == "ERROR"]
    assert error["source"] == "two"
    assert error["message"].startswith('source database: no queue "no_such_queue"')
    assert lines[0].keys() == ALWAYS


def test_after_a_reload_lines_are_of_the_new_format(world: World) -> None:
    process = world.start()
    world.write(log_format="json")
    process.send(signal.SIGHUP)
    world.logged('"message": "Config reloaded"')
    assert process.stop() == 0
    assert json.loads(world.log.splitlines()[-1])["message"].startswith("ended with exit code 0")


def test_the_ticker_has_it_too(world: World) -> None:
    settings = {"db": world.source_db.conninfo(), "loop_delay": 0, "log_format": "json"}
    config = write_ini(world.directory / "ticker.ini", "pgqadm", settings)
    said = run([script("pgqadm.py"), str(config), "ticker"], cwd=world.directory).check().stderr
    ticks = [line["statistics"] for line in objects(said) if "statistics" in line]
    assert any("ticks" in values for values in ticks)


def test_another_word_is_refused(world: World) -> None:
    result = world.run(log_format="xml")
    assert result.returncode == 1
    assert result.stderr.endswith("log_format: 'xml' is not text or json\n")
    assert result.stderr.count("\n") == 1


# What a real run does not produce at will


def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    fields = {"exc_info": None, **more}
    return logging.LogRecord("job", logging.ERROR, __file__, 1, message, arguments, **fields)


def formatted(made: logging.LogRecord) -> Line:
    text = JsonFormatter().format(made)
    assert "\n" not in text
    assert text.isascii()
    line: Line = json.loads(text)
    return line


def test_an_exception_is_one_field() -> None:
    try:
        Path("/no/such/file").read_text()
    except OSError:
        line = formatted(record("crashed", exc_info=sys.exc_info()))
    assert line["message"] == "crashed"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("No such file or directory: '/no/such/file'")


@pytest.mark.parametrize("text", ["two\nlines", 'a "quote"', "snow ☃", "half a \udc80", "\0", "%s"])
def test_any_text_comes_back_from_its_line(text: str) -> None:
    assert formatted(record("%s", text))["message"] == text


def test_the_page_lists_the_keys() -> None:
    section = PAGE.read_text().partition("## JSON")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert rows == [
        "time", "level", "pid", "job", "source", "message", "statistics", "exception",
    ]  # fmt: skip
