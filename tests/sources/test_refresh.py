"""[sources] while the program runs: shards appear, move, go; the catalogue fails."""

import signal
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.processes import Process, wait_until
from testbed.sessions import sessions
from tests.sources.many import PATIENCE, Many
from tests.sources.test_catalogue import SELECT, enlist, partitions

__all__ = ["partitions"]


@pytest.fixture
def listed(many: Many, catalogue: Database, partitions: psycopg.Connection) -> Many:
    """Shard 0 is in the catalogue; the file has no source sections."""
    many.sections.clear()
    many.sections["sources"] = {
        "list_db": catalogue.conninfo(),
        "list_sql": SELECT,
        "refresh": "0.3",
    }
    enlist_shard(many, partitions, "shard0")
    return many


def enlist_shard(many: Many, partitions: psycopg.Connection, name: str) -> None:
    """Put one of the shards into the catalogue."""
    enlist(partitions, (name, many.sources[name].database.conninfo()))


def started(many: Many) -> Process:
    """The program, with shard 0 at work."""
    process = many.launch()
    many.registered("shard0")
    many.sources["shard0"].produce(1)
    many.wait_for(shard0=1)
    return process


def still_moves(many: Many, process: Process, count: int) -> None:
    """Shard 0 is still at work, undisturbed; it has had so many events."""
    many.sources["shard0"].produce(1, first=count)
    many.wait_for(shard0=count)
    assert process.running


def test_a_new_shard_appears_and_a_removed_one_stops(
    listed: Many, partitions: psycopg.Connection
) -> None:
    # given
    process = started(listed)
    undisturbed = listed.backends("shard0")
    # when a shard is added, then it is moved without an edit
    enlist_shard(listed, partitions, "shard1")
    listed.registered("shard1")
    listed.sources["shard1"].produce(5)
    listed.wait_for(shard1=5)
    # when it is removed, then it is let go, after its batch
    partitions.execute("delete from partitions where name = 'shard1'")
    wait_until(lambda: not listed.backends("shard1"), PATIENCE, "the end of shard1")
    assert listed.finished("shard1")
    listed.sources["shard1"].produce(5, first=6)
    still_moves(listed, process, 2)
    assert listed.arrived()["shard1"] == 5
    assert listed.backends("shard0") == undisturbed
    # when it comes back, then it goes on
    enlist_shard(listed, partitions, "shard1")
    listed.wait_for(shard1=10)
    assert process.stop() == 0
    listed.assert_identical("shard0", "shard1")


def test_a_shard_that_moves_is_followed(listed: Many, partitions: psycopg.Connection) -> None:
    """Given another connect string in the catalogue, then the source restarts with it."""
    process = started(listed)
    partitions.execute("update partitions set connect = connect || ' application_name=renamed'")
    shard = listed.sources["shard0"]
    wait_until(
        lambda: len(sessions(shard.database, shard.conn, "renamed")) == 1, PATIENCE, "the new one"
    )
    still_moves(listed, process, 2)
    assert process.stop() == 0


def test_bad_rows_at_a_refresh_keep_the_running_ones(
    listed: Many, partitions: psycopg.Connection
) -> None:
    process = started(listed)
    enlist(partitions, ("shard1", None), ("shard0", None))
    # then each is told once, and a running one goes on
    listed.logged("ERROR shard1: ")
    listed.logged("; it keeps running unchanged")
    enlist_shard(listed, partitions, "shard2")
    listed.registered("shard2")
    still_moves(listed, process, 2)
    assert len(listed.errors("shard1: ")) == len(listed.errors("shard0: ")) == 1
    # when they are put right, then they run
    partitions.execute("delete from partitions where connect is null")
    enlist_shard(listed, partitions, "shard1")
    listed.registered("shard1")
    still_moves(listed, process, 3)
    assert process.stop() == 0


def test_a_bad_row_at_the_start_keeps_nobody_else_from_it(
    listed: Many, partitions: psycopg.Connection
) -> None:
    enlist(partitions, ("shard1", "nonsense"))
    process = listed.launch(fast_clocks=True)
    listed.registered("shard0")
    listed.logged("ERROR shard1: ")
    listed.logged("{sources: 1, failing: 0, stopped: 1, ")
    assert process.stop() == 0


@pytest.mark.parametrize("switches", [[], ["-d"]], ids=["foreground", "daemon"])
def test_a_catalogue_that_is_away_at_the_start_is_waited_for(
    listed: Many,
    catalogue: Database,
    partitions: psycopg.Connection,
    source_cluster: Cluster,
    switches: list[str],
) -> None:
    # given a catalogue that cannot be reached yet
    name = sql.Identifier(catalogue.name)
    away = sql.Identifier(f"{catalogue.name}_away")
    partitions.close()
    rename = sql.SQL("alter database {} rename to {}")
    with source_cluster.connect() as conn:
        conn.execute(rename.format(name, away))
    process = listed.launch(*switches)
    listed.logged("ERROR catalogue database not available: ")
    # when it comes, then the work begins
    with source_cluster.connect() as conn:
        conn.execute(rename.format(away, name))
    listed.registered("shard0")
    listed.sources["shard0"].produce(2)
    listed.wait_for(shard0=2)
    assert len(listed.errors("catalogue")) == 1
    listed.run("-s").check()
    wait_until(lambda: not (listed.directory / "many.pid").exists(), PATIENCE, "the end")
    assert process.wait() == 0
    assert listed.log.splitlines()[0].endswith(", config not read yet")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_stop_is_obeyed_while_the_catalogue_is_away(
    listed: Many, number: signal.Signals, code: int
) -> None:
    listed.sections["sources"]["list_db"] = "host=127.0.0.1 port=1"
    listed.main["exception_sleep"] = "60"
    process = listed.launch()
    listed.logged("ERROR catalogue database not available: ")
    assert process.stop(number) == code


def test_without_looping_a_catalogue_that_is_away_ends_it(listed: Many) -> None:
    listed.sections["sources"]["list_db"] = "host=127.0.0.1 port=1"
    result = listed.drain()
    assert result.returncode == 1
    assert result.stderr.startswith("queue_mover3: catalogue database not available: ")
    assert result.stderr.count("\n") == 1


def test_a_catalogue_that_goes_away_and_comes_back(
    listed: Many, catalogue: Database, partitions: psycopg.Connection, source_cluster: Cluster
) -> None:
    process = started(listed)
    # when it cannot be reached
    partitions.close()
    source_cluster.drop_database(catalogue.name)
    listed.logged("ERROR Sources not refreshed, keeping the running ones: catalogue database not")
    still_moves(listed, process, 2)
    # when it is back, with a new shard
    source_cluster.create_database(f"{catalogue.name}_new")
    with source_cluster.database(f"{catalogue.name}_new").connect() as conn:
        conn.execute("create table partitions (name text, connect text)")
        enlist_shard(listed, conn, "shard0")
        enlist_shard(listed, conn, "shard1")
    with source_cluster.connect() as conn:
        conn.execute(f"alter database {catalogue.name}_new rename to {catalogue.name}".encode())
    # then
    listed.registered("shard1")
    assert process.stop() == 0
    assert "Traceback" not in listed.log


def test_a_table_that_goes_away_keeps_the_running_ones(
    listed: Many, partitions: psycopg.Connection
) -> None:
    """Given a catalogue that is being rebuilt, then the shards move on meanwhile."""
    process = started(listed)
    partitions.execute("alter table partitions rename to partitions_old")
    listed.logged("ERROR Sources not refreshed, keeping the running ones: ")
    still_moves(listed, process, 2)
    assert process.stop() == 0
    assert "Traceback" not in listed.log + process.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_catalogue_that_does_not_answer_holds_up_no_stop(
    listed: Many, catalogue: Database, partitions: psycopg.Connection, number: signal.Signals
) -> None:
    """Given a query that waits, as for a lock or a frozen server, then a signal is obeyed."""
    process = started(listed)
    with partitions.transaction():
        partitions.execute("lock partitions in access exclusive mode")
        with catalogue.connect() as watcher:
            waits: LiteralString = (
                "select count(*) from pg_stat_activity"
                " where wait_event_type = 'Lock' and datname = current_database()"
            )
            wait_until(lambda: watcher.execute(waits).fetchone() == (1,), PATIENCE, "a refresh")
        still_moves(listed, process, 2)
        process.send(number)
        process.wait(PATIENCE)


@pytest.mark.parametrize("switch", ["-s", "-k"])
def test_a_stop_does_not_ask_the_catalogue(listed: Many, switch: str) -> None:
    # given a process whose catalogue, and an included file, have gone away since
    process = started(listed)
    listed.sections["sources"]["list_db"] = "host=127.0.0.1 port=1"
    listed.main["include"] = "nowhere.ini"
    # when, then
    assert listed.run(switch).returncode == 0
    assert process.wait(PATIENCE) == (0 if switch == "-s" else 128 + signal.SIGTERM)


def test_a_changed_refresh_counts_from_the_reload_on(
    listed: Many, partitions: psycopg.Connection
) -> None:
    listed.sections["sources"]["refresh"] = "0"
    process = started(listed)
    listed.sections["sources"]["refresh"] = "0.3"
    listed.reload(process)
    enlist_shard(listed, partitions, "shard1")
    wait_until(lambda: listed.consumer("shard1") in listed.consumers("shard1"), 10, "the new shard")
    assert process.stop() == 0


def test_without_refresh_only_a_reload_looks_again(
    listed: Many, partitions: psycopg.Connection
) -> None:
    listed.sections["sources"]["refresh"] = "0"
    process = started(listed)
    enlist_shard(listed, partitions, "shard1")
    still_moves(listed, process, 2)
    assert listed.consumers("shard1") == set()
    listed.reload(process)
    listed.registered("shard1")
    assert process.stop() == 0


def test_a_refresh_repeats_no_warnings(listed: Many, partitions: psycopg.Connection) -> None:
    """Given a key that the program does not know, then it says so once, not at every refresh."""
    listed.main["unheard_of"] = "1"
    process = started(listed)
    # when two more shards have been found, at two refreshes
    for name in ("shard1", "shard2"):
        enlist_shard(listed, partitions, name)
        listed.registered(name)
    assert process.stop() == 0
    assert listed.log.count("unheard_of: unknown key") == 1


def test_a_refresh_does_not_bring_back_what_was_unregistered(
    listed: Many, partitions: psycopg.Connection
) -> None:
    """Given a shard that is still in the catalogue, then it stays unregistered until a reload."""
    process = started(listed)
    enlist_shard(listed, partitions, "shard1")
    listed.registered("shard1")
    listed.run("--unregister", "--source", "shard1").check()
    listed.logged(f'WARNING shard1: consumer "{listed.consumer("shard1")}" was unregistered')
    # when another one comes, then the catalogue has been read since
    enlist_shard(listed, partitions, "shard2")
    listed.registered("shard2")
    assert listed.consumers("shard1") == set()
    still_moves(listed, process, 2)
    assert process.stop() == 0
