"""--check reports what cannot be listed, and goes on with the rest."""

from pathlib import Path

import psycopg

from queue_mover.config.loading import load_mover
from queue_mover.observation.config_findings import read_config
from testbed.database import Database
from testbed.ini import write_sections
from testbed.queues import create_queue

NOWHERE = "host=127.0.0.1 port=1"
MAIN: dict[str, object] = {
    "job_name": "job",
    "dst_db": "dbname=central",
    "dst_queue_name": "all",
    "queue_name": "orders",
}


def texts(path: Path, *wanted: str) -> tuple[list[str], list[str]]:
    """The sources that are usable, and the findings with their remedies."""
    settings, findings = read_config(path, {}, wanted)
    names = [mover.source for mover in settings.movers] if settings else []
    return names, [f"{each.text}; {each.remedy}" for each in findings]


def test_a_catalogue_that_does_not_answer_is_a_finding_with_its_remedy(tmp_path: Path) -> None:
    # given sources that only a server knows, and the server is down
    catalogue: dict[str, object] = {"list_db": NOWHERE, "list_sql": "select 'a', 'dbname=a'"}
    sections = {"queue_mover3": MAIN, "sources": catalogue}
    path = write_sections(tmp_path / "mover.ini", sections)
    # then
    names, found = texts(path)
    assert names == []
    (text,) = found
    assert "not available" in text
    assert text.endswith("check the server, and list_db in [sources]")
    # and a bad value beside it is reported too, in whichever section it is
    bad: dict[str, dict[str, object]] = {
        "sources": catalogue | {"refresh": "often"},
        "source:b": {"src_db": "dbname=b"},
    }
    path = write_sections(tmp_path / "mover.ini", {"queue_mover3": MAIN} | bad)
    names, found = texts(path)
    assert names == []
    assert [text for text in found if "refresh" in text]
    assert [text for text in found if "not available" in text]


def test_queues_that_cannot_be_listed_leave_the_other_sources_usable(
    tmp_path: Path, shared_databases: tuple[Database, Database]
) -> None:
    # given a source with PgQ, and one without the PgQ that the file names
    source = shared_databases[0]
    with source.connect() as conn:
        _have(conn, "orders", "two\nlines")
    here = source.conninfo()
    sections: dict[str, dict[str, object]] = {
        "queue_mover3": MAIN | {"dst_queue_name": "%(queue)s"},
        "source:a": {"src_db": here, "queue_name": "*"},
        "source:b": {"src_db": here, "queue_name": "*", "src_flavour": "pgque"},
        "source:c": {"src_db": here, "dst_queue_name": "elsewhere", "consumer_name": "c"},
    }
    path = write_sections(tmp_path / "mover.ini", sections)
    # when
    settings = load_mover(path, {})
    # then each refusal is that of its source or queue
    assert [mover.source for mover in settings.movers] == ["a/orders", "c"]
    assert "PgQue 3 is not installed; remedy: " in settings.refused["b"]
    assert "must not contain line breaks" in settings.refused["a/'two\\nlines'"]


def _have(conn: psycopg.Connection, *queues: str) -> None:
    for queue in queues:
        create_queue(conn, queue)
