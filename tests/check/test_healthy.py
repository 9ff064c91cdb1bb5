"""A mover that can start: nothing is wrong, and the check leaves everything as it was."""

from pathlib import Path
from typing import Any

import psycopg

from testbed.database import Database
from testbed.processes import run, script
from testbed.queues import produce
from tests.check.conftest import check, document, findings, ini, results

TABLES = """
    select table_schema, table_name from information_schema.tables
     where table_schema in ('pgq', 'pgq_ext', 'queue_mover') and table_type = 'BASE TABLE'
     order by 1, 2
"""
CATALOG = """
    select 'class', oid::bigint, relname::text, coalesce(relacl::text, '') from pg_class
     where relnamespace not in (select oid from pg_namespace where nspname like 'pg\\_%')
     union all select 'proc', oid, proname, coalesce(proacl::text, '') || prosrc from pg_proc
     union all select 'schema', oid, nspname, coalesce(nspacl::text, '') from pg_namespace
     where nspname not like 'pg\\_%' union all select 'role', oid, rolname, '' from pg_roles
     order by 1, 2
"""


def everything(database: Database) -> list[Any]:
    """All that is stored in PgQ's schemas, all objects of the database, all writes counted."""
    with database.connect() as conn:
        tables = conn.execute(TABLES).fetchall()
        rows = [
            conn.execute(
                psycopg.sql.SQL("select {}::text, t::text from {} t order by t::text").format(
                    psycopg.sql.Literal(name), psycopg.sql.Identifier(schema, name)
                )
            ).fetchall()
            for schema, name in tables
        ]
        written = conn.execute(
            "select sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) from pg_stat_user_tables"
        ).fetchall()
        locks = conn.execute("select 1 from pg_locks where locktype = 'advisory'").fetchall()
        return [rows, conn.execute(CATALOG).fetchall(), written, locks]


def test_a_healthy_mover_has_no_problems(config: Path) -> None:
    result = check(config)
    assert result.returncode == 0, result.stdout
    assert "remedy" not in result.stdout
    lines = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert lines[:-1] == ["ok"] * 19
    assert result.stdout.endswith("1 source, 19 checks: 19 ok; 0 failures, 0 warnings.\n")
    assert result.stderr == ""


def test_what_was_found_is_told_where_nothing_is_wrong(config: Path, source_db: Database) -> None:
    notes = {line["topic"]: line["note"] for line in document(config)["checks"]}
    assert f"dbname={source_db.name}" in notes["source_database"]
    assert notes["queues"] == "here to there"
    assert "pgq_ext" in notes["pgq"]
    assert "(queue_mover's)" in notes["pgq"]
    assert '"job" at tick ' in notes["registration"]
    assert notes["encodings"] == "UTF8 to UTF8"
    assert notes["pooler"] == "source none, target none"
    assert notes["files"].endswith("job.log")


def test_nothing_is_changed(config: Path, source_db: Database, target_db: Database) -> None:
    # given events that wait, and a consumer that is not registered yet
    with source_db.connect() as source:
        produce(source, "here", 10)
    sections = config.read_text() + "[source:old]\n[source:new]\ndst_queue_name = missing\n"
    config.write_text(sections.replace("[source:old]", "[source:old]\nconsumer_name = job"))
    before = [everything(source_db), everything(target_db), sorted(config.parent.iterdir())]
    # when
    for switches in ([], ["--json"]):
        assert check(*switches, config).returncode == 1
    # then
    after = [everything(source_db), everything(target_db), sorted(config.parent.iterdir())]
    assert after == before


def test_a_mover_that_runs_is_no_problem(config: Path) -> None:
    run([script("queue_mover3"), "-d", config], cwd=config.parent).check()
    try:
        found = document(config)
        assert findings(found) == []
        notes = {line["topic"]: line["note"] for line in found["checks"]}
        assert "running with pid " in notes["files"]
    finally:
        run([script("queue_mover3"), "-k", config], cwd=config.parent)


def test_many_sources_that_are_well_are_one_line(
    tmp_path: Path, source_db: Database, target_db: Database, config: Path
) -> None:
    text = config.read_text()
    with source_db.connect() as source:
        for number in range(30):
            source.execute("select pgq.register_consumer('here', %s)", [f"job.s{number}"])
            tables = f"table_filter = t{number}"
            text += f"[source:s{number}]\n{tables}\n"
    config.write_text(text)
    result = check(config)
    assert result.returncode == 0, result.stdout
    assert f"All 30 sources: from {'host=127.0.0.1'}" in result.stdout
    assert len(result.stdout.splitlines()) < 12
    assert "30 sources, 454 checks: 454 ok;" in result.stdout


def test_only_some_of_the_sources(config: Path, source_db: Database) -> None:
    with source_db.connect() as source:
        source.execute("select pgq.register_consumer('here', 'job.well')")
    config.write_text(
        config.read_text() + "[source:well]\n[source:ill]\nsrc_db = host=127.0.0.1 port=1\n"
    )
    assert check(config).returncode == 2
    assert check(config, "--source", "well").returncode == 0
    assert check(config, "--source", "we*").returncode == 0


def test_it_is_not_imported_by_a_mover_that_runs() -> None:
    """Given how long a start may take, and how much memory."""
    code = "import sys, queue_mover.cli.queue_mover3; print(*sys.modules)"
    python = Path(script("python"))
    modules = run([python, "-c", code]).check().stdout.split()
    assert "queue_mover.cli.queue_mover3" in modules
    for name in ("cli.check", "cli.repairing", "observation.inspection", "admin.install"):
        assert f"queue_mover.{name}" not in modules


def test_a_consumer_that_is_new_is_a_warning(
    tmp_path: Path, config: Path, source_db: Database, target_db: Database
) -> None:
    config = ini(tmp_path, source_db.conninfo(), target_db.conninfo(), consumer_name="new")
    found = document(config)
    assert results(found)["registration"] == "warning"
    (finding,) = findings(found)
    assert finding["text"].startswith('consumer "new" is not registered yet: the first start')
    assert finding["remedy"].startswith(f"queue_mover3 --check --fix {config}, or start it: ")
    assert [repair["kind"] for repair in found["repairs"]] == ["register"]
