"""pgqadm install, on real databases."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from queue_mover.admin import install as module
from queue_mover.admin.install import contrib_folders, find_pgq_sql, install, run_pgq_sql
from queue_mover.errors import OperatorError
from queue_mover.observation.database import gather
from queue_mover.observation.database_findings import problems
from queue_mover.observation.findings import Code
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.processes import wait_until
from testbed.programs import chosen, pgq_version
from testbed.queues import create_queue, insert_event, last_tick
from testbed.ticker import FAST_TICKS, start_pgqd
from tests.admin.locks import wait_until_blocked

PGQ_ROLES = ("pgq_admin", "pgq_reader", "pgq_writer")


@pytest.fixture
def blank_db(source_cluster: Cluster) -> Iterator[Database]:
    """A database with nothing in it."""
    source_cluster.drop_database("blank")
    yield source_cluster.create_database("blank")
    source_cluster.drop_database("blank")


@pytest.fixture
def blank(blank_db: Database) -> Iterator[psycopg.Connection]:
    """A connection to a database with nothing in it."""
    with blank_db.connect() as conn:
        yield conn


@pytest.fixture
def no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without the pgq extension. It cannot be hidden from a real one."""
    monkeypatch.setattr(module, "_extension_available", lambda _conn: False)


@pytest.fixture
def pgq_file() -> Path:
    """Upstream's SQL file."""
    try:
        return find_pgq_sql(chosen().pgq_sql, 15)
    except OperatorError:
        pytest.skip("upstream's pgq_pl_only.sql is not on this machine")


def has(conn: psycopg.Connection, function: str) -> bool:
    """Whether the database has this function."""
    row = conn.execute("select to_regprocedure(%s) is not null", [function]).fetchone()
    return row == (True,)


@pytest.mark.usefixtures("pgq_extension")
def test_blank_database_gets_everything(blank: psycopg.Connection) -> None:
    assert install(blank) == [
        f"PgQ: installed as extension ({pgq_version()})",
        "pgq_ext: installed",
        "queue_mover: installed",
        "pgq is installed",
    ]

    assert has(blank, "pgq.next_batch(text,text)")
    assert has(blank, "pgq_ext.set_last_tick(text,bigint)")
    assert has(blank, "queue_mover.get_origin(text)")


def test_again_keeps_positions_and_repairs_functions(blank: psycopg.Connection) -> None:
    install(blank)
    blank.execute("select pgq_ext.set_last_tick('c', 5)")
    blank.execute("drop function pgq_ext.is_batch_done(text, bigint)")

    assert install(blank) == [
        f"PgQ: already installed ({pgq_version()})",
        "pgq_ext: already installed, updated",
        "queue_mover: already installed, updated",
        "pgq is installed",
    ]

    assert blank.execute("select pgq_ext.get_last_tick('c')").fetchone() == (5,)
    assert has(blank, "pgq_ext.is_batch_done(text,bigint)")


@pytest.mark.usefixtures("pgq_extension")
def test_four_databases_twice_at_once_on_a_server_without_roles(
    private_cluster: Callable[..., Cluster],
) -> None:
    # given: a server where each install would create the roles
    cluster = private_cluster("install")
    names = [f"db{number}" for number in range(4)]
    for name in names:
        cluster.create_database(name)

    def run(name: str) -> list[str]:
        with cluster.connect(name) as conn:
            return install(conn)

    # when
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(run, names * 2))
        again = list(pool.map(run, names[:1] * 20))
    # then
    installed = f"PgQ: installed as extension ({pgq_version()})"
    assert sum(installed in report for report in reports) == 4
    assert sum("pgq_ext: installed" in report for report in reports) == 4
    assert {line for report in again for line in report} == {
        f"PgQ: already installed ({pgq_version()})",
        "pgq_ext: already installed, updated",
        "queue_mover: already installed, updated",
        "pgq is installed",
    }
    with cluster.connect() as conn:
        roles = conn.execute("select rolname from pg_roles where rolname like 'pgq%' order by 1")
        assert tuple(name for (name,) in roles) == PGQ_ROLES


def test_one_at_a_time(blank_db: Database, blank: psycopg.Connection) -> None:
    # given: an install that has not committed
    reports: list[list[str]] = []
    with blank_db.connect() as second:
        thread = threading.Thread(target=lambda: reports.append(install(second)))
        with blank_db.connect() as first, first.transaction():
            install(first)
            # when
            thread.start()
            wait_until_blocked(blank, second)
            waits_for = blank.execute(
                "select locktype from pg_locks where pid = %s and not granted",
                [second.info.backend_pid],
            ).fetchall()
        thread.join(10)
    # then
    assert waits_for == [("advisory",)]
    assert reports[0][0] == f"PgQ: already installed ({pgq_version()})"


def test_existing_upstream_pgq_ext_stays_untouched(blank: psycopg.Connection) -> None:
    # given
    blank.execute(
        """
        create schema pgq_ext;
        create table pgq_ext.completed_tick (consumer_id text, last_tick_id bigint);
        create function pgq_ext.get_last_tick(a_consumer text) returns bigint
          language sql as 'select 42::bigint';
        create function pgq_ext.version() returns text language sql as $$select '3.3'$$;
        """
    )
    before = _catalog(blank)
    # when
    report = install(blank)
    # then
    assert report[1] == "pgq_ext: already installed, not ours, left unchanged"
    assert _catalog(blank) == before


EARLIER: LiteralString = """
    create or replace function pgq_ext.version() returns text
      language sql immutable set search_path = pg_catalog, pg_temp
      as $$ select 'queue_mover 4.0'::text; $$;
    drop function pgq_ext.upgrade_schema();
    alter table pgq_ext.completed_tick alter subconsumer_id drop default;
    alter table pgq_ext.completed_batch alter subconsumer_id drop default;
    alter table pgq_ext.completed_event alter subconsumer_id drop default;
    alter table pgq_ext.partial_batch alter subconsumer_id drop default;
"""
"""What tells the schema as it was installed before from the one of today."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (EARLIER, "upgraded from an earlier version to 4.0"),
        ("select", "already installed, updated"),
    ],
    ids=["earlier", "today's"],
)
def test_our_own_schema_is_brought_up_to_date(
    blank: psycopg.Connection, change: LiteralString, words: str
) -> None:
    # given
    install(blank)
    blank.execute(change)
    blank.execute("select pgq_ext.set_last_tick('c', 5)")
    # when
    report = install(blank)
    # then
    assert report[1] == f"pgq_ext: {words}"
    assert blank.execute("select pgq_ext.version()").fetchone() == ("3.1",)
    blank.execute("insert into pgq_ext.completed_tick (consumer_id, last_tick_id) values ('d', 6)")
    positions = "select pgq_ext.get_last_tick('c'), pgq_ext.get_last_tick('d')"
    assert blank.execute(positions.encode()).fetchone() == (5, 6)


def _catalog(conn: psycopg.Connection) -> list[tuple[object, ...]]:
    return conn.execute(
        """
        select oid, xmin::text from pg_proc where pronamespace = 'pgq_ext'::regnamespace
        union all
        select oid, xmin::text from pg_class where relnamespace = 'pgq_ext'::regnamespace
        union all
        select oid, xmin::text from pg_namespace where nspname = 'pgq_ext'
        order by 1
        """
    ).fetchall()


def test_strangers_version_function_is_not_called(blank: psycopg.Connection) -> None:
    blank.execute(
        """
        create schema pgq_ext;
        create function pgq_ext.get_last_tick(text) returns bigint
          language sql as 'select null::bigint';
        create table public.called();
        create function pgq_ext.version() returns text
          language plpgsql as $$begin drop table public.called; return 'x'; end$$;
        """
    )

    install(blank)

    assert blank.execute("select to_regclass('public.called') is not null").fetchone() == (True,)


@pytest.mark.parametrize("schema", ["pgq", "pgq_ext", "queue_mover"])
def test_schema_of_somebody_else_is_an_error_and_nothing_is_installed(
    blank: psycopg.Connection, schema: str
) -> None:
    blank.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))

    with pytest.raises(OperatorError, match=rf'has a schema "{schema}".*remedy'):
        install(blank)

    assert not has(blank, "pgq.create_queue(text)")


def test_without_privileges_it_says_who_can(blank_db: Database, blank: psycopg.Connection) -> None:
    blank.execute("create role plain login")
    try:
        with (
            blank_db.connect(user="plain") as conn,
            pytest.raises(
                OperatorError, match="remedy: run install as a superuser, or set pgq_sql"
            ),
        ):
            install(conn)
    finally:
        blank.execute("drop role plain")


@pytest.mark.usefixtures("no_extension")
def test_server_without_extension_gets_upstreams_file(
    blank: psycopg.Connection, pgq_file: Path
) -> None:
    # given
    blank.execute("set client_min_messages = error")
    # when
    assert install(blank, pgq_file)[0] == f"PgQ: installed from {pgq_file}"
    # then: it works, the session is as before, and a second time finds it
    assert blank.execute("select pgq.create_queue('q')").fetchone() == (1,)
    assert blank.execute("show client_min_messages").fetchone() == ("error",)
    assert install(blank)[0] == "PgQ: already installed (3.5)"


@pytest.mark.usefixtures("no_extension")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("select 1;", "does not install PgQ"),
        ("create schema pgq; \\echo psql only", "cannot run .*syntax error"),
        (None, "no such file"),
    ],
)
def test_unusable_file_leaves_nothing_behind(
    blank: psycopg.Connection, tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "some.sql"
    if content is not None:
        path.write_text(content)

    with pytest.raises(OperatorError, match=message) as caught:
        install(blank, path)

    assert str(path) in str(caught.value)
    assert blank.execute("select to_regnamespace('pgq')").fetchone() == (None,)


def test_file_is_looked_for_where_the_server_is_local(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given
    (tmp_path / "contrib").mkdir()
    file = tmp_path / "contrib" / "pgq_pl_only.sql"
    program = tmp_path / "pg_config"
    program.write_text(f"#!/bin/sh\necho {tmp_path}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    # then
    assert contrib_folders(99) == [
        Path("/usr/share/postgresql/99/contrib"),
        tmp_path / "contrib",
    ]
    with pytest.raises(OperatorError, match=r"Debian: postgresql-99-pgq3\), or set pgq_sql"):
        find_pgq_sql(None, 99)
    file.touch()
    assert find_pgq_sql(None, 99) == file


@pytest.fixture
def managed(
    private_cluster: Callable[..., Cluster],
) -> Iterator[tuple[Cluster, Database]]:
    """A server without PgQ's roles, and a database whose owner may create roles, and no more."""
    cluster = private_cluster("managed")
    with cluster.connect() as conn:
        conn.execute("create role owner login createrole")
        conn.execute("create database managed owner owner")
    yield cluster, Database("managed", cluster.server)
    cluster.stop()


@pytest.mark.usefixtures("pgq_extension")
def test_the_owner_of_a_database_on_a_managed_server(
    managed: tuple[Cluster, Database], pgq_file: Path
) -> None:
    cluster, database = managed
    with database.connect(user="owner") as conn:
        # given: the extension is there, and is for superusers
        with pytest.raises(OperatorError, match="for which CREATEROLE is enough"):
            install(conn)
        # when an explicit file wins over it
        assert install(conn, pgq_file)[0] == f"PgQ: installed from {pgq_file}"
        assert install(conn, pgq_file)[0] == "PgQ: already installed (3.5)"
        # then a real pgqd accepts the database: it ticks, rotates, brings retry events back
        create_queue(conn, "q", **FAST_TICKS)
        conn.execute("select pgq.register_consumer('q', 'c')")
        before = last_tick(conn, "q")
        pgqd = start_pgqd(cluster, ["managed"], maint_period=0.2, retry_period=0.2)
        try:
            event = insert_event(conn, "q", "type", "again")
            wait_until(lambda: last_tick(conn, "q") > before, 30, "a tick of pgqd")
            batch = wait_until(lambda: _batch_with(conn, event), 30, "a batch with the event")
            conn.execute("select pgq.event_retry(%s, %s, 0)", [batch, event])
            conn.execute("select pgq.finish_batch(%s)", [batch])
            wait_until(lambda: _batch_with(conn, event), 30, "pgqd to bring the event back")
            conn.execute("select pgq.unregister_consumer('q', 'c')")
            conn.execute("select pgq.set_queue_config('q', 'rotation_period', '0')")
            first = _current_table(conn)
            wait_until(lambda: _current_table(conn) != first, 30, "a rotation by pgqd")
        finally:
            pgqd.stop()
        log = (cluster.directory / "pgqd.log").read_text()
        assert "bad pgq version" not in log


def test_a_version_that_pgqd_ignores_is_found_and_repaired(
    blank: psycopg.Connection, pgq_file: Path
) -> None:
    # given: PgQ from the file, by psql
    run_pgq_sql(blank, pgq_file)
    (finding,) = problems(gather(blank), 300)
    assert (finding.code, finding.remedy) == (Code.PGQ_VERSION, "pgqadm.py CONFIG install")
    # when
    assert install(blank)[0] == "PgQ: already installed (3.5), pgq.version() repaired"
    # then
    assert gather(blank).pgq == "3.5"
    assert problems(gather(blank), 300) == ()
    assert install(blank)[0] == "PgQ: already installed (3.5)"


def test_who_lacks_createrole_is_told_what_to_grant(
    managed: tuple[Cluster, Database], pgq_file: Path
) -> None:
    cluster, database = managed
    with cluster.connect() as conn:
        conn.execute("alter role owner nocreaterole")
    with (
        database.connect(user="owner") as conn,
        pytest.raises(OperatorError, match='remedy: ALTER ROLE "owner" CREATEROLE; GRANT CREATE'),
    ):
        install(conn, pgq_file)


def _batch_with(conn: psycopg.Connection, event: int) -> int | None:
    """The number of the next batch if it has the event; one without is finished."""
    row = conn.execute("select pgq.next_batch('q', 'c')").fetchone()
    if row is None or row[0] is None:
        return None
    found = conn.execute(
        "select ev_id from pgq.get_batch_events(%s) where ev_id = %s", [row[0], event]
    )
    if found.fetchone():
        return int(row[0])
    conn.execute("select pgq.finish_batch(%s)", [row[0]])
    return None


def _current_table(conn: psycopg.Connection) -> int:
    row = conn.execute("select queue_cur_table from pgq.queue").fetchone()
    assert row is not None
    return int(row[0])
