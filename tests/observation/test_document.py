"""pgqadm status for programs: exit codes, and JSON as docs/status-json.md describes it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from queue_mover.observation.activity import State
from queue_mover.observation.findings import MARKS, Severity
from queue_mover.observation.overview import DatabaseView, Overview
from queue_mover.observation.verdict import Cause
from queue_mover.reporting.document import text
from testbed.database import Database
from testbed.processes import Argument, Result, run, script, write_ini
from testbed.queues import create_queue, last_tick, produce, tick
from tests.admin.test_cli_many import AWAY, movers
from tests.observation.test_database import quarantine
from tests.observation.test_database_findings import QUEUE, STATUS

PAGE = Path(__file__).parents[2] / "docs" / "status-json.md"
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
CAUSES = {cause.value for cause in Cause}


def tables() -> dict[str, dict[str, str]]:
    """The page's tables: by the heading, the first two columns of each row."""
    found: dict[str, dict[str, str]] = {}
    heading = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if line.startswith("| `"):
            key, second = (cell.strip().strip("`") for cell in line.split("|")[1:3])
            found.setdefault(heading, {})[key] = second
    codes = {key for key in found["A finding"] if len(found["A finding"][key]) == 1}
    states = {state.value for state in State}
    found["states"] = {key: found["A source"].pop(key) for key in states}
    found["codes"] = {code: found["A finding"].pop(code) for code in codes}
    return found


def check(value: dict[str, Any], shape: dict[str, str]) -> None:
    """Compare an object with its table: the same keys, and values of these types."""
    assert list(value) == list(shape)
    for key, kinds in shape.items():
        allowed = tuple(kind for name in kinds.split(" or ") for kind in TYPES[name])
        assert isinstance(value[key], allowed), (key, value[key])
        assert bool in allowed or not isinstance(value[key], bool), key


def check_source(source: dict[str, Any], shapes: dict[str, dict[str, str]]) -> None:
    """Compare a source with its tables."""
    check(source, shapes["A source"])
    assert source["state"] in shapes["states"]
    check(source["verdict"], shapes["A verdict"])
    assert source["verdict"]["cause"] in CAUSES
    if source["last_error"]:
        check(source["last_error"], shapes["A last error"])


def checked(result: Result) -> Any:
    """The one document that was printed, after a comparison with the page."""
    document = json.loads(result.stdout)
    shapes = tables()
    check(document, shapes["The document"])
    assert document["exit_code"] == result.returncode
    for database in document["databases"]:
        if not database["readable"]:
            assert list(database) == list(shapes["A database"])[:2]
            continue
        check(database, shapes["A database"])
        for queue in database["queues"]:
            check(queue, shapes["A queue"])
            for consumer in queue["consumers"]:
                check(consumer, shapes["A consumer"])
        for held in database["quarantined"] or ():
            check(held, shapes["Events in quarantine"])
    for source in document["sources"]:
        check_source(source, shapes)
    for queue in document["targets"]:
        check(queue, shapes["A target queue"])
        for consumer in queue["consumers"]:
            check(consumer, shapes["A consumer"])
    for finding in document["findings"]:
        check(finding, shapes["A finding"])
        assert finding["code"] in shapes["codes"]
        assert finding["severity"] in {severity.value for severity in Severity}
    return document


def pgqadm(*words: Argument) -> Result:
    """Run it to its end."""
    return run([script("pgqadm.py"), *words])


def found(document: Any) -> list[tuple[str, str]]:
    return [(finding["code"], finding["severity"]) for finding in document["findings"]]


@pytest.fixture
def config(tmp_path: Path, target_db: Database) -> Path:
    """A config file for a database with PgQ, pgq_ext and a quarantine."""
    return write_ini(tmp_path / "adm.ini", "pgqadm", {"db": target_db.conninfo()})


def test_the_page_lists_every_code_with_its_mark() -> None:
    assert tables()["codes"] == {code.value: mark for code, mark in MARKS.items()}


def test_the_page_names_every_cause() -> None:
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith("| `cause`"))
    assert [cause for cause in CAUSES if f"`{cause}`" not in row] == []


def test_nothing_wrong_exits_0(config: Path, target: psycopg.Connection) -> None:
    create_queue(target, "q")
    target.execute("select pgq.register_consumer('q', 'reader')")
    last = tick(target, "q")
    assert pgqadm(config, "status").returncode == 0
    document = checked(pgqadm(config, "status", "--json"))
    assert (document["exit_code"], document["findings"], document["sources"]) == (0, [], [])
    (queue,) = document["databases"][0]["queues"]
    assert (queue["last_tick"], queue["consumers"][0]["consumer"]) == (last, "reader")


def test_something_wrong_exits_1(config: Path, target: psycopg.Connection) -> None:
    create_queue(target, "q", ticker_paused="true")
    quarantine(target, "job", 1, 2)
    assert pgqadm(config, "status").returncode == 1
    document = checked(pgqadm(config, "status", "--json"))
    assert document["exit_code"] == 1
    assert found(document) == [("ticker_paused", "problem"), ("quarantine", "warning")]
    assert document["findings"][0]["queue"] == "q"
    (held,) = document["databases"][0]["quarantined"]
    assert (held["consumer"], held["events"]) == ("job", 2)


def test_could_not_look_exits_2_and_is_in_the_document(config: Path, tmp_path: Path) -> None:
    away = write_ini(tmp_path / "away.ini", "pgqadm", {"db": f"{AWAY} password=hunter2"})
    document = checked(pgqadm(away, "status", "--json"))
    assert document["databases"] == [{"database": "host=127.0.0.1 port=1", "readable": False}]
    assert found(document) == [("unreadable", "unknown")]
    # nor could it with a bad file, or a queue that is none
    for words in ((tmp_path / "none.ini", "status"), (config, "status", "none"), ("status",),
                  (config, "status", "a", "b"), ("status", "q")):  # fmt: skip
        result = pgqadm(*words, "--json")
        assert (result.returncode, found(checked(result))) == (2, [("unreadable", "unknown")])
        assert "hunter2" not in result.stdout + result.stderr


def test_several_databases_are_one_document(
    source_db: Database, target_db: Database, source: psycopg.Connection
) -> None:
    create_queue(source, "q")
    switches = [f"--db={text}" for text in (source_db.conninfo(), AWAY, target_db.conninfo())]
    document = checked(pgqadm("status", *switches, "--json"))
    assert document["exit_code"] == 2
    assert [each["readable"] for each in document["databases"]] == [True, False, True]
    assert [finding["database"] for finding in document["findings"]] == ["host=127.0.0.1 port=1"]


def test_movers_are_shown_with_both_sides(
    source_db: Database,
    target_db: Database,
    source: psycopg.Connection,
    target: psycopg.Connection,
    tmp_path: Path,
) -> None:
    # given a source that is well, one whose mover ended, one that is away
    create_queue(source, "q")
    create_queue(source, "late")
    for queue, consumer in (("q", "job.well"), ("late", "job.dead")):
        source.execute("select pgq.register_consumer(%s, %s)", [queue, consumer])
        produce(source, queue, 5)
        tick(source, queue)
    last = last_tick(source, "q")
    source.execute("select pgq.register_consumer_at('q', 'job.well', %s)", [last])
    target.execute("select pgq_ext.set_last_tick('job.well', %s)", [last])
    there = source_db.conninfo()
    file = movers(tmp_path, target_db, well=there, dead=there, away=AWAY)
    dead = "[source:dead]\nqueue_name = late\ntrouble_after = 0"
    file.write_text(file.read_text().replace("[source:dead]", dead))
    # when
    document = checked(pgqadm("status", "--movers", file, "--json"))
    # then
    well, ended, away = document["sources"]
    assert (well["in_trouble"], well["tick"], well["target_tick"]) == (False, last, last)
    assert (ended["in_trouble"], ended["registered"], ended["target_tick"]) == (True, True, None)
    assert ended["pending_events"] >= 5
    assert (away["readable"], away["registered"], away["tick"]) == (False, None, None)
    assert found(document) == [
        ("consumer_not_seen", "problem"),
        ("target_position_missing", "warning"),
        ("unreadable", "unknown"),
    ]
    assert [finding["source"] for finding in document["findings"]] == ["dead", "dead", "away"]
    assert "3 sources" in pgqadm("status", "--movers", file).stdout


def test_sources_and_databases_together(
    source_db: Database, target_db: Database, source: psycopg.Connection, tmp_path: Path
) -> None:
    create_queue(source, "q")
    file = movers(tmp_path, target_db, here=source_db.conninfo())
    result = pgqadm("status", "--movers", file, "--db", target_db.conninfo(), "--json")
    document = checked(result)
    assert (len(document["sources"]), len(document["databases"])) == (1, 1)
    assert found(document) == [("consumer_not_registered", "problem")]


def test_trouble_after_can_be_set_where_there_is_no_file(
    target_db: Database, target: psycopg.Connection
) -> None:
    create_queue(target, "q")
    target.execute("select pgq.register_consumer('q', 'reader')")
    produce(target, "q", 5)
    tick(target, "q")
    words = ("status", f"--db={target_db.conninfo()}", "--json")
    assert found(checked(pgqadm(*words))) == []
    late = checked(pgqadm(*words, "--set", "trouble_after=0"))
    assert found(late) == [("consumer_not_seen", "problem")]
    result = pgqadm(*words, "--set", "trouble_after=soon")
    assert (result.returncode, found(checked(result))) == (2, [("unreadable", "unknown")])


def test_an_interval_without_end_is_null() -> None:
    """JSON has no infinity; from PostgreSQL 17 on intervals have."""
    status = replace(STATUS, queues=(replace(QUEUE, rotation_period=float("inf")),))
    (database,) = json.loads(text(Overview((DatabaseView("", status, ()),))))["databases"]
    assert database["queues"][0]["rotation_period_seconds"] is None
