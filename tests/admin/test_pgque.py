"""pgqadm with PgQue: install, queues, settings, status; alone in a database, or beside PgQ."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import errors

from queue_mover.admin.install import install
from queue_mover.admin.install_pgque import file_version, version_order
from queue_mover.errors import OperatorError
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.ini import ini_text
from testbed.programs import find_program
from testbed.queues import SQL, create_queue
from tests.admin.pgque import Admin, empty_database, pgqadm, pgque_file

NAME_OF_57 = "ü" * 28 + "x"

# Versions


def test_versions_have_an_order() -> None:
    oldest_first = ["0.1", "0.2.0", "0.3.0-devel", "0.3.0-rc.1", "0.3.0", "0.10.0", "1", "1.0.1"]
    orders = [order for version in oldest_first if (order := version_order(version))]
    assert len(set(orders)) == len(oldest_first)
    assert orders == sorted(orders)
    assert version_order("1.0.0") == version_order("1") == version_order("v1.0")


@pytest.mark.parametrize("text", ["", "unknown", "0.2.x y", "-devel"])
def test_what_is_no_version_has_none(text: str) -> None:
    assert version_order(text) is None


def test_the_version_of_a_file_is_in_its_first_lines() -> None:
    assert file_version("-- pgque.sql\n-- Version: 0.2.0\ncreate schema pgque;") == "0.2.0"
    assert file_version("create schema pgque;\n" * 1000 + "-- Version: 0.2.0") is None


# Install


@pytest.fixture
def file() -> Path:
    """PgQue's SQL file."""
    return pgque_file()


@pytest.fixture
def blank(source_cluster: Cluster) -> Iterator[Database]:
    """A database with nothing in it."""
    yield empty_database(source_cluster, "blank_pgque")
    source_cluster.drop_database("blank_pgque")


def renumbered(file: Path, folder: Path, version: str) -> Path:
    """PgQue as another version of itself."""
    text = file.read_text()
    own = file_version(text)
    assert own is not None
    copy = folder / f"pgque-{version}.sql"
    copy.write_text(text.replace(own, version))
    return copy


def test_install_then_upgrade_but_never_back(file: Path, blank: Database, tmp_path: Path) -> None:
    own = file_version(file.read_text())
    newer = renumbered(file, tmp_path, "99.0.0")
    admin = Admin(tmp_path, blank, flavour="pgque", pgque_sql=file)
    ours = ["pgq_ext: already installed, updated", "queue_mover: already installed, updated"]
    # when installed
    assert admin.says("install") == [
        f"PgQue: installed from {file} ({own})",
        "pgq_ext: installed",
        "queue_mover: installed",
        "pgque is installed",
    ]
    with blank.connect() as conn:
        conn.execute("select pgque.create_queue('q'), pgque.register_consumer('q', 'c')")
        event = value(conn, "select pgque.insert_event('q', 'type', 'kept')")
        conn.execute("select pgque.force_tick('q')")
        conn.execute("select pgque.ticker()")
    # and again: then nothing of PgQue changes; the flavour is found
    del admin.settings["flavour"]
    before = _functions(blank)
    assert admin.says("install") == [f"PgQue: already installed ({own})", *ours,
                                     "pgque is installed"]  # fmt: skip
    assert _functions(blank) == before
    # when the file is newer
    admin.settings["pgque_sql"] = newer
    assert admin.says("install")[0] == f"PgQue: upgraded from {own} to 99.0.0, from {newer}"
    # then an older one does nothing, and none is needed
    admin.settings["pgque_sql"] = file
    before = _functions(blank)
    assert admin.says("install")[0] == (
        f"PgQue: already installed (99.0.0), newer than {file} ({own}): left unchanged"
    )
    assert _functions(blank) == before
    del admin.settings["pgque_sql"]
    assert admin.says("install")[0] == "PgQue: already installed (99.0.0)"
    assert ", PgQue 99.0.0, pgq_ext 3.1" in admin.says("status")[0]
    # and the events are as they were
    with blank.connect() as conn:
        batch = value(conn, "select pgque.next_batch('q', 'c')")
        events = conn.execute("select ev_id, ev_data from pgque.get_batch_events(%s)", [batch])
        assert events.fetchall() == [(event, "kept")]


def _functions(database: Database) -> list[tuple[object, ...]]:
    with database.connect() as conn:
        return conn.execute(
            "select oid, xmin::text from pg_proc where pronamespace = 'pgque'::regnamespace"
            " order by oid"
        ).fetchall()


def test_an_upgrade_waits_for_nobody_for_long(
    file: Path, blank: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_mover.admin.install_pgque._LOCK_TIMEOUT", "100ms")
    newer = renumbered(file, tmp_path, "99.0.0")
    with blank.connect() as conn, blank.connect() as busy:
        install(conn, flavours=["pgque"], pgque_sql=file)
        with busy.transaction():
            busy.execute("lock table pgque.retry_queue in row exclusive mode")
            with pytest.raises(OperatorError, match="PgQue is in use by a long transaction; rem"):
                install(conn, pgque_sql=newer)
        assert install(conn, pgque_sql=newer)[0].startswith("PgQue: upgraded from ")


NO_FILE = [
    ({"flavour": "pgque"}, None, "PgQue is not installed, and pgque_sql is not set; remedy: set"),
    ({"flavour": "pgque"}, "missing", "pgque_sql: no such file: "),
    ({"flavour": "pgque"}, "select 1;", "does not install PgQue; remedy: set it to the path of"),
    ({"flavour": "pgque"}, "create schema pgque; \\echo", "cannot run .*: syntax error"),
    ({"flavour": "pgque"}, "select 1/0;", "cannot run .*: division by zero"),
    ({}, "select 1;", "has neither PgQ nor PgQue, and pgque_sql is set; remedy: set flavour"),
    ({"flavour": "pgke"}, None, "flavour: 'pgke' is not pgq or pgque"),
]


@pytest.mark.parametrize(("settings", "content", "line"), NO_FILE, ids=[row[2] for row in NO_FILE])
def test_without_a_usable_file_nothing_is_installed(
    blank: Database, tmp_path: Path, settings: dict[str, object], content: str | None, line: str
) -> None:
    admin = Admin(tmp_path, blank, **settings)
    if content:
        path = tmp_path / "some.sql"
        admin.settings["pgque_sql"] = path
        if content != "missing":
            path.write_text(content)
    assert re.search(line, admin.refuses("install"))
    with blank.connect() as conn:
        assert value(conn, "select to_regnamespace('pgque')") is None
        assert value(conn, "select to_regnamespace('pgq_ext')") is None


def test_a_schema_of_somebody_else_is_left_alone(blank: Database, tmp_path: Path) -> None:
    with blank.connect() as conn:
        conn.execute("create schema pgque create table mine ()")
    admin = Admin(tmp_path, blank, flavour="pgque", pgque_sql=tmp_path / "any.sql")
    assert 'has a schema "pgque" that is not PgQue; remedy: rename it' in admin.refuses("install")


def test_what_fails_later_takes_pgque_back(file: Path, blank: Database) -> None:
    with blank.connect() as conn:
        conn.execute("create schema queue_mover create table mine ()")
        with pytest.raises(OperatorError, match='has a schema "queue_mover" that is not ours'):
            install(conn, flavours=["pgque"], pgque_sql=file)
        assert value(conn, "select to_regnamespace('pgque')") is None


# In a database with PgQue


@pytest.fixture(scope="module")
def pgque_db(source_cluster: Cluster) -> Iterator[Database]:
    """A database that has PgQue alone."""
    file = pgque_file()
    database = empty_database(source_cluster, "only_pgque")
    with database.connect() as conn:
        install(conn, flavours=["pgque"], pgque_sql=file)
    yield database
    source_cluster.drop_database("only_pgque")


def test_a_queue_from_its_birth_to_its_end(pgque_db: Database, tmp_path: Path) -> None:
    admin = Admin(tmp_path, pgque_db)
    assert [admin.says(*words.split()) for words in (
        "create orders", "create orders", "register orders reader", "register orders reader",
        "config orders ticker_max_lag=1s", "unregister orders other", "unregister orders reader",
    )] == [
        ['queue "orders" created'],
        ['queue "orders" already exists'],
        ['consumer "reader" registered on queue "orders"'],
        ['consumer "reader" is already registered on queue "orders"'],
        ["orders", "    queue_ticker_max_lag = 00:00:01 (was 00:00:03)"],
        ['consumer "other" is not registered on queue "orders" (registered: reader)'],
        ['consumer "reader" unregistered from queue "orders"'],
    ]  # fmt: skip
    assert admin.says("config")[:2] == ["orders", "    queue_ticker_max_lag     = 00:00:01"]
    # when an event waits for its tick
    with pgque_db.connect() as conn:
        conn.execute("select pgque.insert_event('orders', 'type', 'the first')")
    # then not even the first event is missing from the count
    status = json.loads("\n".join(admin.says("status", "--json")))
    (database,) = status["databases"]
    assert (database["flavour"], database["scheduler"]) == ("pgque", None)
    assert [queue["queue"] for queue in database["queues"]] == ["orders"]
    assert database["queues"][0]["new_events"] == 1
    assert admin.says("drop", "orders") == ['queue "orders" dropped']
    assert "No queues." in admin.says("status")


REFUSED = [
    (f"create {NAME_OF_57}x", 'x": the name has 58 bytes, PgQue allows 57; remedy: choose a short'),
    ("config refusing ticker_max_lag=0", '"0" is not an interval of more than 0; remedy: pgqadm'),
    ("config refusing ticker_max_count=0", '"0" is not a whole number from 1 to 2147483647; rem'),
    ("config refusing rotation_period=-1h", '"-1h" is not an interval of more than 0; remedy: '),
    ("config missing", 'no queue "missing" in database "only_pgque" (existing: '),
    ("register missing c", 'no queue "missing" in database "only_pgque" (existing: '),
    ("drop missing", 'no queue "missing" in database "only_pgque" (existing: '),
    ("drop refusing", 'queue "refusing" has consumers: c; remedy: pgqadm.py CONFIG unregister'),
]


@pytest.mark.parametrize(("words", "line"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_pgque_cannot_do_is_refused_in_one_line(
    pgque_db: Database, tmp_path: Path, words: str, line: str
) -> None:
    admin = Admin(tmp_path, pgque_db)
    with pgque_db.connect() as conn:
        conn.execute("select pgque.create_queue('refusing')")
        conn.execute("select pgque.register_consumer('refusing', 'c')")
    with pytest.raises(OperatorError, match=re.escape(line)):
        admin.does(words)


def test_the_longest_name_is_counted_in_bytes(pgque_db: Database, tmp_path: Path) -> None:
    admin = Admin(tmp_path, pgque_db)
    assert admin.does(f"create {NAME_OF_57}") == [f'queue "{NAME_OF_57}" created']
    admin.does(f"drop {NAME_OF_57}")


def test_the_flavour_that_is_not_installed_is_named(pgque_db: Database, tmp_path: Path) -> None:
    admin = Admin(tmp_path, pgque_db, flavour="pgq")
    line = 'database "only_pgque": PgQ is not installed; remedy: pgqadm.py CONFIG install'
    assert admin.refuses("status") == admin.refuses("config") == line


@pytest.fixture
def plain(pgque_db: Database) -> Iterator[str]:
    """A role without privileges."""
    with pgque_db.connect() as conn:
        conn.execute("create role plain_pgque login")
        yield "plain_pgque"
        conn.execute("drop role plain_pgque")


def test_a_refused_role_is_told_the_grant_that_works(
    pgque_db: Database, plain: str, tmp_path: Path
) -> None:
    with pgque_db.connect() as conn:
        conn.execute("select pgque.create_queue('granted')")
        for words in ("status", "register granted c", "create granted", "ticker"):
            admin = Admin(tmp_path, pgque_db, loop_delay=-1)
            admin.settings["db"] = pgque_db.conninfo(user=plain)
            refused = pgqadm(admin.config, *words.split())
            (remedy,) = {
                line.partition("; remedy: ")[2]
                for line in refused.stderr.splitlines()
                if "; remedy: " in line
            }
            assert refused.returncode != 0
            for grant in remedy.split("; "):
                assert re.match(r"GRANT (pgque_\w+|EXECUTE ON FUNCTION pgque\.\S+) TO ", grant)
                conn.execute(grant.encode())
            pgqadm(admin.config, *words.split()).check()
            conn.execute("revoke pgque_reader, pgque_admin from plain_pgque")
            conn.execute("revoke all on all functions in schema pgque from plain_pgque")
        conn.execute("select pgque.drop_queue('granted', true)")


# Beside PgQ


@pytest.fixture(scope="module")
def both_db(source_cluster: Cluster) -> Iterator[Database]:
    """A database that has PgQ and PgQue."""
    file = pgque_file()
    database = empty_database(source_cluster, "pgq_and_pgque")
    with database.connect() as conn:
        install(conn)
        install(conn, flavours=["pgque"], pgque_sql=file)
        create_queue(conn, "of_pgq")
        create_queue(conn, "of_both")
        conn.execute("select pgque.create_queue('of_pgque'), pgque.create_queue('of_both')")
    yield database
    source_cluster.drop_database("pgq_and_pgque")


def test_the_queue_decides_and_else_the_config(both_db: Database, tmp_path: Path) -> None:
    admin = Admin(tmp_path, both_db)
    place = 'database "pgq_and_pgque" has PgQ and PgQue'
    ask = "remedy: set flavour = pgq or pgque"
    # given no flavour: then a queue is found where it is
    for name in ("of_pgq", "of_pgque"):
        assert admin.does(f"create {name}") == [f'queue "{name}" already exists']
        assert admin.does(f"register {name} c") == [f'consumer "c" registered on queue "{name}"']
        assert admin.does(f"config {name} ticker_max_count=7")[1].endswith("= 7 (was 500)")
        assert admin.does(f"unregister {name} c")[0].startswith('consumer "c" unregistered ')
    # and nothing is guessed
    assert admin.refuses("create", "new") == f'{place}, neither with a queue "new"; {ask}'
    assert admin.refuses("drop", "of_both") == f'{place}, both with a queue "of_both"; {ask}'
    # when the config names it
    assert admin.says("create", "new", "--set", "flavour=pgque") == ['queue "new" created']
    assert admin.does("drop new") == ['queue "new" dropped']
    admin.settings["flavour"] = "pgque"
    with pytest.raises(OperatorError, match='no queue "of_pgq" in database'):
        admin.does("config of_pgq")


def test_all_queues_of_both_are_shown(both_db: Database, tmp_path: Path) -> None:
    admin = Admin(tmp_path, both_db)
    config = [line for line in admin.says("config") if not line.startswith(" ")]
    assert config == ["PgQ:", "of_both", "of_pgq", "PgQue:", "of_both", "of_pgque"]
    status = json.loads("\n".join(admin.says("status", "--json")))
    assert [
        (each["flavour"], [queue["queue"] for queue in each["queues"]])
        for each in status["databases"]
    ] == [("pgq", ["of_both", "of_pgq"]), ("pgque", ["of_both", "of_pgque"])]
    # of one queue: by those that have it; of one flavour: by that one
    titles = re.compile(r"^Database .* (PgQ|PgQue) [0-9.]", re.MULTILINE)
    for words, shown in (
        ("status", ["PgQ", "PgQue"]),
        ("status of_both", ["PgQ", "PgQue"]),
        ("status of_pgq", ["PgQ"]),
        ("status of_pgque", ["PgQue"]),
        ("status --set flavour=pgque", ["PgQue"]),
    ):
        assert titles.findall("\n".join(admin.says(*words.split()))) == shown
    assert admin.says("install")[-2:] == ["pgq is installed", "pgque is installed"]


@pytest.mark.parametrize("name", ["pgq_and_pgque", "only_pgque"])
def test_our_functions_are_granted_to_the_roles_of_what_is_installed(
    request: pytest.FixtureRequest, source_cluster: Cluster, name: str
) -> None:
    # given: our schemas, installed again by hand, twice
    fixture = {"pgq_and_pgque": "both_db", "only_pgque": "pgque_db"}[name]
    database: Database = request.getfixturevalue(fixture)
    with source_cluster.connect() as conn:
        # another database of the server has PgQ: its roles get nothing in this one
        assert value(conn, "select count(*) from pg_roles where rolname = 'pgq_writer'") == 1
    for file in ("pgq_ext.sql", "queue_mover.sql") * 2:
        subprocess.run(
            [find_program("psql"), "-1qXv", "ON_ERROR_STOP=1", "-d", database.conninfo(),
             "-f", SQL / file],
            check=True, capture_output=True, env={"PGOPTIONS": "-c client_min_messages=warning"},
        )  # fmt: skip
    # then
    for schema, has_it in (("pgq", name == "pgq_and_pgque"), ("pgque", True)):
        assert _may(database, f"{schema}_reader") == (has_it, False, False)
        assert _may(database, f"{schema}_writer") == (has_it, has_it, False)
        assert _may(database, f"{schema}_admin") == (has_it, has_it, has_it)


def _may(database: Database, role: str) -> tuple[bool, ...]:
    """Whether a role may identify the database, set a position, and read the quarantine."""
    found = []
    with database.connect() as conn:
        for statement in (
            b"select queue_mover.database_identity()",
            b"select pgq_ext.set_last_tick('nobody', 1), pgq_ext.set_last_tick('nobody', null),"
            b" queue_mover.get_origin('nobody')",
            b"select * from queue_mover.quarantine, queue_mover.origin, queue_mover.last_error",
        ):
            try:
                with conn.transaction():
                    conn.execute(f"set local role {role}".encode())
                    conn.execute(statement)
            except errors.InsufficientPrivilege:
                found.append(False)
            else:
                found.append(True)
    return tuple(found)


# A mover's file


@pytest.mark.usefixtures("pgq_extension")
def test_both_sides_of_a_mover_get_what_its_file_names(
    file: Path, source_cluster: Cluster, target_cluster: Cluster, tmp_path: Path
) -> None:
    one, two = (empty_database(source_cluster, f"mover_{n}") for n in ("one", "two"))
    central = empty_database(target_cluster, "mover_central")
    main = {"dst_db": central.conninfo(), "queue_name": "q", "dst_queue_name": "all",
            "dst_flavour": "pgq"}  # fmt: skip
    mover = tmp_path / "mover.ini"
    mover.write_text(ini_text({
        "queue_mover3": main,
        "source:one": {"src_db": one.conninfo(), "src_flavour": "pgque"},
        "source:two": {"src_db": two.conninfo()},
    }))  # fmt: skip
    words = ("install", "--movers", mover, "--set", f"pgque_sql={file}")
    # when one side is empty, and the file does not say what it shall have
    result = pgqadm(*words)
    assert result.returncode == 1
    assert result.stdout.count("PgQ: installed as extension") == 1
    assert result.stdout.count(f"PgQue: installed from {file}") == 1
    assert result.stdout.count(
        "has neither PgQ nor PgQue, and pgque_sql is set; remedy: set flavour"
        " (for a side of a mover src_flavour or dst_flavour) to pgque or pgq"
    ) == 1  # fmt: skip
    # then --set decides for it alone
    result = pgqadm(*words, "--set", "flavour=pgq").check()
    assert result.stdout.count("PgQ: installed as extension") == 1
    assert result.stdout.count("already installed (") == 2
    for database, schema in ((one, "pgque"), (two, "pgq"), (central, "pgq")):
        with database.connect() as conn:
            schemas = conn.execute("select nspname from pg_namespace where nspname ~ '^pgq(ue)?$'")
            assert schemas.fetchall() == [(schema,)]
    for cluster, name in ((source_cluster, "mover_one"), (source_cluster, "mover_two"),
                          (target_cluster, "mover_central")):  # fmt: skip
        cluster.drop_database(name)
