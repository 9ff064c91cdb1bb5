"""The text of the check, grouped by source."""

from pathlib import Path

import pytest

from queue_mover.observation.environment_findings import Surroundings
from queue_mover.observation.findings import Code, Finding, Place
from queue_mover.observation.inspection import CheckLine, Inspection, Result
from queue_mover.observation.sources import SourceStatus
from queue_mover.reporting.check_report import report_lines
from testbed.ini import write_sections
from tests.check.conftest import loaded

CONFIG = Path("my jobs.ini")


def made(tmp_path: Path, count: int, *lines: CheckLine) -> str:
    """The text about so many sources, of which those without a line are well."""
    main = {"dst_db": "dbname=central", "queue_name": "q", "dst_queue_name": "all"}
    sources = {f"source:s{n}": {"src_db": f"host=db{n} dbname=app"} for n in range(count)}
    movers = loaded(write_sections(tmp_path / "job.ini", {"queue_mover3": main, **sources})).movers
    told = {line.source for line in lines}
    well = [
        CheckLine("queues", "queues", mover.source, Result.OK, "q to all")
        for mover in movers
        if mover.source not in told
    ]
    surroundings = tuple(Surroundings(SourceStatus(mover)) for mover in movers)
    config = CheckLine("config", "config", "", Result.OK, "")
    return "\n".join(
        report_lines(Inspection(surroundings, (config, *lines, *well)), CONFIG, [], [])
    )


def wrong(source: str, text: str, remedy: str) -> CheckLine:
    """A check of a source that found something."""
    place = Place(source=source, consumer=f"job.{source}")
    finding = Finding(Code.QUEUE_MISSING, place, text, remedy)
    return CheckLine("queues", "queues", source, Result.FAILURE, "", (finding,))


def test_what_several_share_is_there_once(tmp_path: Path) -> None:
    """Given texts that differ by the names of source and consumer only, then these are left out."""
    lines = [
        wrong(f"s{n}", f'consumer "job.s{n}" is not registered', f"queue_mover3 --source s{n}")
        for n in range(7)
    ]
    text = made(tmp_path, 9, *lines)
    assert "Sources s0, s1, s2, s3, s4 and 2 more: to dbname=central\n" in text
    assert text.count("FAILURE") == 1
    assert "consumer is not registered\n" in text
    assert "remedy: queue_mover3 --source NAME\n" in text
    assert "Sources s7, s8: to dbname=central\n" in text
    assert text.endswith("9 sources, 10 checks: 3 ok; 7 failures, 0 warnings.")


def test_what_one_has_alone_is_under_its_name(tmp_path: Path) -> None:
    text = made(tmp_path, 3, wrong("s1", "no queue", "create it"))
    assert "\nSource s1: from host=db1 dbname=app to dbname=central\n  FAILURE  queues" in text
    assert text.index("Source s1") < text.index("Sources s0, s2")


def test_all_of_them(tmp_path: Path) -> None:
    text = made(tmp_path, 3, *(wrong(f"s{n}", "no queue", "create it") for n in range(3)))
    assert "\nAll 3 sources: to dbname=central\n  FAILURE  queues" in text


@pytest.mark.parametrize("count", [1, 40])
def test_skipped_checks_are_one_line_for_each_reason(tmp_path: Path, count: int) -> None:
    skipped = [
        CheckLine(f"t{n}", f"topic {n}", "s0", Result.SKIPPED, "the target cannot be read")
        for n in range(3)
    ]
    text = made(tmp_path, count, wrong("s0", "away", "start it"), *skipped)
    assert text.count("skipped  3 checks") == 1
    assert "the target cannot be read: topic 0, topic 1, topic 2" in text
