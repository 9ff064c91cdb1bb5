"""[sources]: a database that knows the shards."""

from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from queue_mover.config.loading import load_mover
from queue_mover.errors import ConfigError, QueueMoverError, UnavailableError
from testbed.database import Database
from testbed.ini import ini_text
from tests.sources.test_sections import MAIN

SELECT = "select name, connect from partitions order by name"


def file(path: Path, catalogue: Database, **settings: str) -> Path:
    """A config file with a catalogue and nothing else."""
    section = {"list_db": catalogue.conninfo(), "list_sql": SELECT, **settings}
    result = path / "mover.ini"
    result.write_text(ini_text({"queue_mover3": MAIN, "sources": section}))
    return result


@pytest.fixture
def partitions(catalogue: Database) -> psycopg.Connection:
    """A connection to the catalogue."""
    return catalogue.connect()


def enlist(partitions: psycopg.Connection, *rows: tuple[str | None, str | None]) -> None:
    """Put shards into the catalogue."""
    for row in rows:
        partitions.execute("insert into partitions values (%s, %s)", row)


def test_what_is_listed_is_moved(
    tmp_path: Path, catalogue: Database, partitions: psycopg.Connection
) -> None:
    enlist(partitions, ("a", "dbname=a"), ("b 100%", "dbname=b options='-c x=%(y)s'"))
    settings = load_mover(file(tmp_path, catalogue), {})
    assert [m.source for m in settings.movers] == ["a", "b 100%"]
    assert settings.movers[1].src_db == "dbname=b options='-c x=%(y)s'"
    assert settings.movers[1].route.consumer == "job.b 100%"
    assert settings.refresh == 300


def test_a_section_beside_it_overrides_and_adds(
    tmp_path: Path, catalogue: Database, partitions: psycopg.Connection
) -> None:
    enlist(partitions, ("a", "dbname=a"), ("b", "dbname=b"))
    config = file(tmp_path, catalogue, refresh="7")
    more = {
        "source:b": {"queue_name": "mine"},
        "source:c": {"src_db": "dbname=c"},
        "source:a": {"src_db": "dbname=other"},
    }
    config.write_text(config.read_text() + ini_text(more))
    settings = load_mover(config, {})
    movers = {mover.source: mover for mover in settings.movers}
    assert {name: mover.src_db for name, mover in movers.items()} == {
        "a": "dbname=other",
        "b": "dbname=b",
        "c": "dbname=c",
    }
    assert movers["b"].route.queue == "mine"
    assert movers["a"].route.queue == MAIN["queue_name"]
    assert settings.refresh == 7


def test_the_command_line_wins_there_too(
    tmp_path: Path, catalogue: Database, partitions: psycopg.Connection
) -> None:
    enlist(partitions, ("a", "dbname=a"), ("b", "dbname=b"))
    query = "select name, connect from partitions where name = 'b'"
    settings = load_mover(file(tmp_path, catalogue), {"list_sql": query, "refresh": "7"})
    assert [mover.source for mover in settings.movers] == ["b"]
    assert settings.refresh == 7
    assert settings.warnings == ()


def test_a_misspelt_key_is_told(
    tmp_path: Path, catalogue: Database, partitions: psycopg.Connection
) -> None:
    enlist(partitions, ("a", "dbname=a"))
    config = file(tmp_path, catalogue, refersh="7")
    told = "[sources]: refersh: unknown key, did you mean refresh?"
    assert load_mover(config, {}).warnings == (f"{config}: {told}",)


BAD_ROWS: list[tuple[LiteralString, str, str]] = [
    ("'a', null", "a", "the connect string is NULL"),
    ("null, 'dbname=a'", "row 2", "a source needs a name"),
    ("'', 'dbname=a'", "row 2", "a source needs a name"),
    ("'a', 'dbname=a' from generate_series(1, 2)", "a", "the name appears twice"),
    ("E'a\\nb', 'dbname=a'", "row 2", "must not contain brackets, line breaks"),
    ("'a]', 'dbname=a'", "row 2", "must not contain brackets"),
    ("'a', 'hunter2secret'", "a", "src_db: not a connect string"),
    ("'a', 'dbname=good'", "a", "sources good and a would both move"),
]


@pytest.mark.parametrize(("row", "name", "told"), BAD_ROWS, ids=[row[0] for row in BAD_ROWS])
def test_a_bad_row_is_refused_alone(
    tmp_path: Path, catalogue: Database, row: str, name: str, told: str
) -> None:
    query = f"select 'good', 'dbname=good' union all select {row}"
    settings = load_mover(file(tmp_path, catalogue, list_sql=query), {})
    assert [mover.source for mover in settings.movers] == ["good"]
    assert list(settings.refused) == [name]
    assert told in settings.refused[name]
    assert "hunter2secret" not in settings.refused[name]


@pytest.mark.parametrize("query", ["select 'a'", "select 'a', 'dbname=a', 1"])
def test_another_number_of_columns_is_no_catalogue(
    tmp_path: Path, catalogue: Database, query: str
) -> None:
    with pytest.raises(ConfigError, match=r"must be \(name, connect string\)"):
        load_mover(file(tmp_path, catalogue, list_sql=query), {})


def test_an_empty_catalogue_is_told_as_such(tmp_path: Path, catalogue: Database) -> None:
    """Given a query that finds nothing, then that is the message; not that src_db is missing."""
    with pytest.raises(ConfigError, match="list_sql"):
        load_mover(file(tmp_path, catalogue), {})


BAD_QUERIES: list[LiteralString] = [
    "select name, connect from partitionz",
    "selec",
    "delete from partitions",
    "",
    "select 1/0, 'x'",
]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_bad_query_is_an_operators_error(tmp_path: Path, catalogue: Database, query: str) -> None:
    """One line that names the key, and no traceback."""
    with pytest.raises(QueueMoverError) as refusal:
        load_mover(file(tmp_path, catalogue, list_sql=query), {})
    assert isinstance(refusal.value, ConfigError | UnavailableError)
    assert "list_sql" in str(refusal.value)


def test_a_catalogue_that_is_away_at_the_start(tmp_path: Path) -> None:
    away = Database("nowhere", "host=127.0.0.1 port=1")
    with pytest.raises(UnavailableError, match="catalogue database not available"):
        load_mover(file(tmp_path, away), {})
