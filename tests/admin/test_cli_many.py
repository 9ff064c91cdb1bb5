"""pgqadm.py status and install for several databases: --db and --movers."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.ini import ini_text
from testbed.processes import Argument, Result, run, script
from testbed.queues import create_queue

AWAY = "host=127.0.0.1 port=1"


def pgqadm(*words: Argument) -> Result:
    """Run it to its end."""
    return run([script("pgqadm.py"), *words])


@pytest.fixture
def bare(source_cluster: Cluster) -> Iterator[list[Database]]:
    """Two databases with nothing in them."""
    names = ["bare_one", "bare_two"]
    for name in names:
        source_cluster.start().drop_database(name)
    yield [source_cluster.create_database(name) for name in names]
    for name in names:
        source_cluster.drop_database(name)


def movers(path: Path, target: Database, **sources: str) -> Path:
    """A mover's config, and the queue that it moves to."""
    with target.connect() as connection:
        create_queue(connection, "all")
    main = {"job_name": "job", "dst_db": target.conninfo(), "queue_name": "q",
            "dst_queue_name": "all"}  # fmt: skip
    sections: dict[str, dict[str, object]] = {"queue_mover3": {**main}}
    sections |= {f"source:{name}": {"src_db": connect} for name, connect in sources.items()}
    file = path / "movers.ini"
    file.write_text(ini_text(sections))
    return file


@pytest.mark.usefixtures("pgq_extension")
def test_install_and_status_of_several_databases(bare: list[Database]) -> None:
    switches = [f"--db={database.conninfo()}" for database in bare]
    # when
    result = pgqadm("install", *switches).check()
    # then each is told under its name, without a blank at the end of a line
    assert result.stdout.count("installed as extension") == 2
    assert result.stdout.index("dbname=bare_one") < result.stdout.index("dbname=bare_two")
    assert all(line == line.rstrip() for line in result.stdout.splitlines())
    assert pgqadm("install", *switches).check().stdout.count("already installed") == 6
    result = pgqadm(*switches, "status").check()
    assert 'Database "bare_one"' in result.stdout
    assert 'Database "bare_two"' in result.stdout


def test_status_of_one_queue_in_several_databases(
    source_db: Database, target_db: Database, source: psycopg.Connection,
    target: psycopg.Connection,
) -> None:  # fmt: skip
    for conn in (source, target):
        create_queue(conn, "wanted")
        create_queue(conn, "other")
    result = pgqadm(
        "status", "wanted", "--db", source_db.conninfo(), "--db", target_db.conninfo()
    ).check()
    assert result.stdout.count("  wanted:") == 2
    assert "other" not in result.stdout


def test_one_database_in_trouble_keeps_none_of_the_others(source_db: Database) -> None:
    result = pgqadm("status", "--db", f"{AWAY} password=hunter2", "--db", source_db.conninfo())
    assert result.returncode == 2
    assert "host=127.0.0.1 port=1:\n  database not available: " in result.stdout
    assert f'Database "{source_db.name}"' in result.stdout
    assert "hunter2" not in result.stdout + result.stderr


@pytest.mark.usefixtures("pgq_extension")
def test_install_for_all_sources_and_the_target(
    bare: list[Database], target_db: Database, tmp_path: Path
) -> None:
    file = movers(tmp_path, target_db, one=bare[0].conninfo(), two=bare[1].conninfo())
    result = pgqadm("--movers", file, "install").check()
    # then the target, which both share, has its turn once
    assert result.stdout.count("installed as extension") == 2
    assert result.stdout.count(f"dbname={target_db.name}") == 1
    for database in bare:
        with database.connect() as conn:
            create_queue(conn, "q")


def test_status_of_all_sources(
    source_db: Database, source: psycopg.Connection, target_db: Database, tmp_path: Path
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.here')")
    file = movers(tmp_path, target_db, here=source_db.conninfo(), away=AWAY)
    result = pgqadm("status", "--movers", file)
    lines = result.stdout.splitlines()
    assert result.returncode == 2
    assert lines[0].split()[:3] == ["Source", "Queue", "Consumer"]
    assert any(line.split()[:3] == ["here", "q", "job.here"] for line in lines)
    assert any(line.startswith("  ?  away: source database not available: ") for line in lines)
    assert lines[-1] == "2 sources, 0 events waiting, 1 in trouble."


@pytest.mark.parametrize("words", ["create q", "drop q", "ticker", "", "config"])
def test_other_commands_need_a_config(source_db: Database, words: str) -> None:
    result = pgqadm(*words.split(), "--db", source_db.conninfo())
    assert result.returncode == 1
    assert result.stderr == (
        "pgqadm: --db and --movers work only with the commands status and install\n"
    )


def test_arguments_that_do_not_fit(source_db: Database, tmp_path: Path) -> None:
    result = pgqadm("adm.ini", "status", "--db", source_db.conninfo())
    assert result.returncode == 1
    assert result.stderr == (
        "pgqadm: --db and --movers cannot be used with a config file: adm.ini; remedy:"
        " pgqadm.py status --db CONNECT, or pgqadm.py adm.ini status\n"
    )
    result = pgqadm("install", "q", "--db", source_db.conninfo())
    assert (result.returncode, result.stdout) == (1, "")
    assert "usage: " in result.stderr
    result = pgqadm("status", "--movers", tmp_path / "missing.ini")
    assert result.returncode == 2
    assert "Config file not found: " in result.stderr


def test_status_of_one_queue_of_movers_is_refused_or_answered(
    source_db: Database, target_db: Database, source: psycopg.Connection, tmp_path: Path
) -> None:
    """Given an argument that the table has no use for, then nobody is left without an answer."""
    create_queue(source, "q")
    file = movers(tmp_path, target_db, here=source_db.conninfo())
    result = pgqadm("status", "q", "--movers", file)
    assert result.stdout + result.stderr != ""


def test_a_value_that_is_set_counts_for_movers_too(
    source_db: Database, target_db: Database, source: psycopg.Connection, tmp_path: Path
) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'another.here')")
    file = movers(tmp_path, target_db, here=source_db.conninfo())
    result = pgqadm("status", "--movers", file, "--set", "job_name=another")
    assert result.returncode == 0
    assert "another.here" in result.stdout
