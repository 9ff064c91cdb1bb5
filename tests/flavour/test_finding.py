"""Which PgQ a database has is found by itself; only where that is ambiguous must it be set.

The second one is PgQ under PgQue's name: to be found, that is enough.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from queue_mover.errors import NotReadyError
from queue_mover.model import PGQ, PGQUE, BatchLimits, Flavour, Policy, Route
from queue_mover.moving.mover import Mover
from queue_mover.pgq import flavours
from queue_mover.postgres import database as connections
from queue_mover.postgres.statements import has_function
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.ini import write_sections
from testbed.processes import run, script
from testbed.servers import new_database
from tests.flavour.other_pgq import install_other_pgq


@pytest.fixture(scope="module")
def both(source_cluster: Cluster) -> Iterator[Database]:
    """A database with both: queue "old" is in one, "new" in the other, "q" in both."""
    with new_database(source_cluster, "both") as database:
        with database.connect() as conn:
            install_other_pgq(conn, PGQUE.schema)
            for flavour, names in ((PGQ, ("old", "q")), (PGQUE, ("new", "q"))):
                for name in names:
                    conn.execute(flavour.sql("select {pgq}.create_queue(%s)"), [name])
        yield database


@pytest.fixture
def conn(both: Database) -> Iterator[psycopg.Connection]:
    """A connection to it of a role that has been granted nothing."""
    with both.connect() as owner:
        owner.execute("create role stranger login")
    with both.connect(user="stranger") as stranger:
        yield stranger
    with both.connect() as owner:
        owner.execute("drop role stranger")


def test_what_is_installed(conn: psycopg.Connection, source: psycopg.Connection) -> None:
    assert flavours.installed(conn) == (PGQ, PGQUE)
    assert flavours.installed(source) == (PGQ,)
    # and the schema alone is nothing
    source.execute("create schema pgque; create function pgque.f() returns int return 1")
    assert flavours.installed(source) == (PGQ,)
    # and a schema that nobody may use raises no error
    source.execute("drop schema pgque cascade; revoke usage on schema pgq from public")
    assert flavours.installed(source) == (PGQ,)


def test_without_any_the_usual_message_follows(source_cluster: Cluster) -> None:
    with new_database(source_cluster, "neither", "template1") as database:
        with database.connect() as conn:
            assert flavours.find(conn, "q") == PGQ
            assert not has_function(conn, "pgq.next_batch(text, text)")
        route = Route("q", "c", "q", finds_source_flavour=True, finds_target_flavour=True)
        source, target = (
            connections.Database(side, database.conninfo(), "mover")
            for side in ("source", "target")
        )
        log = logging.getLogger("mover")
        mover = Mover(route, BatchLimits(), source, target, log, Policy())
        with pytest.raises(NotReadyError, match="target database: PgQ is not installed; remedy:"):
            mover.prepare()
        mover.close()


@pytest.mark.parametrize(
    ("queue", "wanted", "found"),
    [
        ("old", "", PGQ),
        ("new", "", PGQUE),
        # what is set is what is taken
        ("q", "pgq", PGQ),
        ("q", "pgque", PGQUE),
        ("old", "pgque", PGQUE),
    ],
)
def test_the_one_that_has_the_queue(
    conn: psycopg.Connection, queue: str, wanted: str, found: Flavour
) -> None:
    assert flavours.find(conn, queue, wanted) == found


@pytest.mark.parametrize(
    ("queue", "side", "message"),
    [
        (
            "q",
            "source",
            'source database has PgQ and PgQue, both with a queue "q"; remedy: set src_flavour ='
            " pgq or pgque",
        ),
        (
            "x",
            "target",
            'target database has PgQ and PgQue, neither with a queue "x"; remedy: set dst_flavour'
            " = pgq or pgque",
        ),
        ("", "", 'database "both" has PgQ and PgQue; remedy: set flavour = pgq or pgque'),
    ],
)
def test_what_the_queue_does_not_decide_is_asked(
    conn: psycopg.Connection, queue: str, side: str, message: str
) -> None:
    with pytest.raises(NotReadyError) as refused:
        flavours.find(conn, queue, side=side)
    assert str(refused.value) == message


def test_the_choice_is_the_operators_in_check_status_and_start(
    both: Database, target_db: Database, tmp_path: Path
) -> None:
    """With src_flavour the same file works."""
    with target_db.connect() as target:
        target.execute("select pgq.create_queue('q')")
    settings = {
        "job_name": "asking",
        "src_db": both.conninfo(),
        "dst_db": target_db.conninfo(),
        "queue_name": "q",
        "dst_queue_name": "q",
        "loop_delay": 0,
    }
    config = write_sections(tmp_path / "job.ini", {"queue_mover3": settings})
    asking = 'source database has PgQ and PgQue, both with a queue "q"'
    for switches in (["--check", "--json"], ["--status", "--json"]):
        found = run([script("queue_mover3"), *switches, config])
        assert found.returncode == 2
        document = json.loads(found.stdout)
        everything = [document, *document.get("checks", [])]
        listed = [each for part in everything for each in part.get("findings", [])]
        (remedy,) = [each["remedy"] for each in listed if each["text"] == asking]
        assert remedy == "set src_flavour = pgq or pgque"
    refused = run([script("queue_mover3"), config])
    assert (refused.returncode, asking in refused.stderr) == (1, True)
    # when
    chosen = write_sections(config, {"queue_mover3": {**settings, "src_flavour": "pgq"}})
    # then
    assert run([script("queue_mover3"), chosen]).returncode == 0
    with both.connect() as conn:
        registered = conn.execute("select consumer_name from pgq.get_consumer_info('q')")
        assert registered.fetchall() == [("asking",)]


def test_another_word_is_refused(tmp_path: Path) -> None:
    settings = {
        "src_db": "dbname=a",
        "dst_db": "dbname=b",
        "queue_name": "q",
        "dst_queue_name": "q",
    }
    config = write_sections(
        tmp_path / "job.ini", {"queue_mover3": {**settings, "dst_flavour": "pgqueue"}}
    )
    refused = run([script("queue_mover3"), config])
    assert refused.returncode == 1
    assert "dst_flavour: 'pgqueue' is not pgq or pgque" in refused.stderr
