"""--fix: adds what is missing, reports each repair, and changes nothing else."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.queues import create_queue, install_pgq, tick
from testbed.servers import new_database
from tests.check.conftest import check, document, findings, ini

SETTINGS = (
    "select queue_ticker_max_lag, queue_ticker_max_count, queue_ticker_idle_period,"
    " queue_rotation_period from pgq.queue where queue_name = %s"
)


@pytest.fixture
def new_source(source: psycopg.Connection, source_db: Database) -> str:
    """The connect string of a source whose queue has settings of its own."""
    create_queue(source, "here", ticker_max_lag="7 seconds", ticker_max_count=77,
                 rotation_period="77 minutes")  # fmt: skip
    tick(source, "here")
    return source_db.conninfo()


@pytest.fixture
def bare_target(source_cluster: Cluster) -> Iterator[psycopg.Connection]:
    """A database with PgQ, and nothing else of a target."""
    with new_database(source_cluster, "bare_target") as database:
        conn = database.connect()
        yield conn
        conn.close()


def where(conn: psycopg.Connection) -> str:
    """The connect string of a connection's database."""
    info = conn.info
    return f"host=127.0.0.1 port={info.port} user=postgres dbname={info.dbname}"


def test_all_that_is_missing_is_added(
    tmp_path: Path, new_source: str, source: psycopg.Connection, bare_target: psycopg.Connection
) -> None:
    # given a target that has nothing but PgQ, and a consumer that is new
    config = ini(tmp_path, new_source, where(bare_target))
    assert check(config).returncode == 1
    # when
    result = check("--fix", config)
    # then
    done = [line.split("  ")[-1] for line in result.stdout.splitlines() if "  done  " in line]
    assert [" ".join(text.split()[:2]) for text in done] == [
        "install pgq_ext",
        "create queue",
        "register consumer",
    ], result.stdout
    assert "FAILURE" not in result.stdout
    wanted = source.execute(SETTINGS, ["here"]).fetchone()
    assert bare_target.execute(SETTINGS, ["there"]).fetchone() == wanted
    assert value(source, "select consumer_name from pgq.get_consumer_info('here')") == "job"
    # and there is nothing more to do, once the new queue is ticked
    tick(bare_target, "there")
    found = document("--fix", config)
    assert (found["exit_code"], found["repairs"]) == (0, [])


def test_repairs_are_in_the_document(tmp_path: Path, new_source: str, target_db: Database) -> None:
    config = ini(tmp_path, new_source, target_db.conninfo())
    todo = document(config)["repairs"]
    assert [(each["kind"], each["made"]) for each in todo] == [
        ("create_queue", False),
        ("register", False),
    ]
    done = document("--fix", config)["repairs"]
    assert [(each["kind"], each["made"], each["error"]) for each in done] == [
        ("create_queue", True, None),
        ("register", True, None),
    ]


def test_a_repair_that_is_refused_keeps_none_of_the_others(
    tmp_path: Path, new_source: str, source: psycopg.Connection, target_cluster: Cluster,
    target_db: Database, target: psycopg.Connection,
) -> None:  # fmt: skip
    # given two sources, one of them with a role that may create no queue
    target.execute("create role writer login in role pgq_writer")
    config = ini(tmp_path, new_source, target_db.conninfo())
    config.write_text(
        config.read_text()
        + "[source:well]\n[source:poor]\ndst_queue_name = elsewhere\n"
        + f"dst_db = {target_db.conninfo(user='writer')}\n"
    )
    # when
    result = check("--fix", config)
    # then
    failed, _ = [line for line in result.stdout.splitlines() if "  FAILED  " in line]
    assert 'create queue "elsewhere"' in failed
    assert failed.endswith('; remedy: GRANT pgq_admin TO "writer"')
    assert result.returncode == 1
    registered = source.execute("select consumer_name from pgq.get_consumer_info('here')")
    assert registered.fetchall() == [("job.well",)]
    target.execute("drop role writer")


def test_no_position_is_touched(
    tmp_path: Path, new_source: str, source: psycopg.Connection, target_db: Database,
    target: psycopg.Connection,
) -> None:  # fmt: skip
    """Given positions that do not fit, then nothing is repaired: events could be lost."""
    create_queue(target, "there")
    tick(target, "there")
    config = ini(tmp_path, new_source, target_db.conninfo())
    target.execute("select pgq_ext.set_last_tick('job', 77::bigint)")
    # a position without a registration
    found = document("--fix", config)
    assert found["repairs"] == []
    assert [f["code"] for f in findings(found)] == ["consumer_not_registered"]
    assert f"queue_mover3 --rewind {config}" in findings(found)[0]["remedy"]
    # a registration elsewhere
    source.execute("select pgq.register_consumer('here', 'job')")
    found = document("--fix", config)
    assert found["repairs"] == []
    assert [f["code"] for f in findings(found)] == ["ticks_do_not_fit"]
    # and one that somebody left under another name
    config = ini(tmp_path, new_source, target_db.conninfo(), consumer_name="successor")
    before = value(source, "select last_tick from pgq.get_consumer_info('here', 'job')")
    target.execute("select pgq_ext.set_last_tick('job', %s)", [before])
    found = document("--fix", config)
    assert found["repairs"] == []
    assert [f["code"] for f in findings(found)] == ["consumer_left_behind"]
    assert f"queue_mover3 --take-over job {config} takes" in findings(found)[0]["remedy"]
    assert value(target, "select pgq_ext.get_last_tick('job')") == before
    registered = source.execute("select consumer_name from pgq.get_consumer_info('here')")
    assert registered.fetchall() == [("job",)]


def test_pgq_itself_is_not_installed(
    tmp_path: Path, new_source: str, target_db: Database, target_cluster: Cluster
) -> None:
    """Given a target without PgQ, which may be the wrong database, then it stays as it is."""
    config = ini(tmp_path, new_source, target_db.conninfo(dbname="postgres"))
    found = document("--fix", config)
    assert found["repairs"] == []
    (finding,) = [f for f in findings(found) if f["code"] == "not_installed"]
    assert finding["remedy"] == f"pgqadm.py install --movers {config}"
    with target_cluster.connect() as conn:
        assert value(conn, "select to_regnamespace('pgq_ext') is null")


def test_the_identity_of_a_source(
    tmp_path: Path, source_cluster: Cluster, target_db: Database, target: psycopg.Connection
) -> None:
    """Given a server that refuses its own, then the source gets one."""
    create_queue(target, "there")
    tick(target, "there")
    with new_database(source_cluster, "managed") as database, database.connect() as conn:
        install_pgq(conn)
        create_queue(conn, "here")
        tick(conn, "here")
        conn.execute("create role owner login createrole in role pgq_admin")
        conn.execute("grant create on database managed to owner")
        conn.execute("revoke execute on function pg_control_system() from public")
        config = ini(tmp_path, database.conninfo(user="owner"), target_db.conninfo())
        found = document("--fix", config)
        kinds = [(each["kind"], each["error"]) for each in found["repairs"]]
        assert kinds == [("install_identity", None), ("register", None)], found
        assert found["exit_code"] == 0
        conn.execute("drop schema queue_mover, pgq_ext cascade")
        conn.execute("drop owned by owner")
    with source_cluster.connect() as conn:
        conn.execute("drop role owner")
