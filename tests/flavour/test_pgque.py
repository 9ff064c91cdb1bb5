"""What PgQue does in its own way: privileges, subconsumers, names, numbers, two in a database."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import pytest

from queue_mover.errors import NotReadyError, QueueMoverError
from queue_mover.model import PGQ, PGQUE, BatchLimits, Outcome, Policy, Result, Route
from queue_mover.observation.database import read_consumers
from queue_mover.observation.findings import REMEDY
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.flavours import Place, install_flavour
from testbed.ini import write_sections
from testbed.processes import run, script
from testbed.programs import pgq_version
from testbed.servers import new_database
from tests.flavour.places import Way, require_pgque

USER = "moving_role"


@pytest.fixture(scope="module")
def two(source_cluster: Cluster) -> Iterator[Database]:
    """A database with PgQ and PgQue."""
    require_pgque()
    with new_database(source_cluster, "two") as database:
        with database.connect() as conn:
            install_flavour(conn, PGQUE)
        yield database


@pytest.fixture(scope="module")
def pgque(source_cluster: Cluster) -> Iterator[Place]:
    """A database with PgQue."""
    require_pgque()
    with new_database(source_cluster, "pgque", "template1") as database:
        with database.connect() as conn:
            install_flavour(conn, PGQUE)
        yield Place("pgque", database, PGQUE)


@pytest.fixture(scope="module")
def pgq(target_cluster: Cluster) -> Iterator[Place]:
    """A database with PgQ, on the other server."""
    with new_database(target_cluster, "pgq_alone") as database:
        yield Place("pgq", database, PGQ)


@pytest.fixture
def role(source_cluster: Cluster, target_cluster: Cluster, pgque: Place) -> Iterator[str]:
    """A role that has been granted nothing; a member of PgQ's admin on the other server."""
    for cluster in (source_cluster, target_cluster):
        with cluster.connect() as conn:
            conn.execute(f"create role {USER} login".encode())
    with target_cluster.connect() as conn:
        conn.execute(f"grant pgq_admin to {USER}".encode())
    yield USER
    for cluster in (source_cluster, target_cluster):
        with pgque.database.connect() if cluster is source_cluster else cluster.connect() as conn:
            conn.execute(f"drop owned by {USER}".encode())
            conn.execute(f"drop role {USER}".encode())


def refusal(way: Way, policy: Policy | None = None) -> tuple[str, str]:
    """Why a mover does not start, and the remedy."""
    with pytest.raises(NotReadyError) as refused, way.mover(policy):
        pass
    text, _, remedy = str(refused.value).partition(REMEDY)
    return text, remedy


def grants(place: Place, *statements: str) -> None:
    """Run statements as superuser."""
    with place.database.connect() as conn:
        for statement in statements:
            conn.execute(statement.encode())


@pytest.mark.parametrize("granted", ["nothing", "reader"])
def test_a_reader_is_told_which_functions_it_lacks(
    pgque: Place, pgq: Place, role: str, granted: str, tmp_path: Path
) -> None:
    """PgQue's reader may not call what reads a batch: found before anything is registered."""
    # given
    way = Way(pgque, pgq, f"read_by_{granted}", role).create_queues()
    if granted == "reader":
        grants(pgque, f"grant pgque_reader to {role}")
    # when
    text, remedy = refusal(way)
    # then both are named, so that one attempt is enough
    assert text == f'source database: role "{role}" may not read batches'
    assert ("GRANT pgque_reader TO" in remedy) is (granted == "nothing")
    assert "GRANT EXECUTE ON FUNCTION pgque.batch_event_sql(bigint), " in remedy
    assert pgque.ask("select count(*) from {pgq}.get_consumer_info(%s)", way.queue) == 0
    # and --check says the same, although it reads more
    assert check(way, tmp_path)["privilege_missing"] == {remedy}
    # when
    grants(pgque, remedy)
    # then
    with way.mover() as mover:
        pgque.produce(way.queue, 10)
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
    way.compare()
    assert "privilege_missing" not in check(way, tmp_path)


def check(way: Way, folder: Path) -> Mapping[str, set[str]]:
    """The codes that --check finds, with their remedies."""
    settings = {
        "job_name": way.route.consumer,
        "src_db": way.source.database.conninfo(user=way.user),
        "dst_db": way.target.database.conninfo(user=way.user),
        "queue_name": way.queue,
        "dst_queue_name": way.queue,
    }
    config = write_sections(folder / "check.ini", {"queue_mover3": settings})
    found = json.loads(run([script("queue_mover3"), "--check", "--json", config]).stdout)
    listed = [finding for line in found["checks"] for finding in line["findings"]]
    codes = {finding["code"] for finding in listed}
    return {code: {each["remedy"] for each in listed if each["code"] == code} for code in codes}


def test_a_writer_needs_insert_event_or_the_admins_role(
    pgque: Place, pgq: Place, role: str
) -> None:
    # given a role that may write events, and positions
    way = Way(pgq, pgque, "written", role).create_queues()
    grants(pgque, f"grant pgque_writer to {role}")
    # when
    text, remedy = refusal(way)
    # then
    assert text == (
        f'target database: role "{role}" may not insert into the event tables of "written"'
    )
    assert remedy == f'GRANT pgque_admin TO "{role}", or write_with = insert_event'
    # and one of the remedies is enough
    with way.mover(Policy(insert=True)) as mover:
        pgq.produce("written", 10)
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
    # and so is the other
    grants(pgque, f"grant pgque_admin to {role}")
    with way.mover() as mover:
        pgq.produce("written", 10)
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
    arrived = [event.data for event in pgque.events("written").read()]
    assert arrived == [event.data for event in pgq.events("written").read()]


def test_a_consumer_with_subconsumers_is_refused_by_name(pgque: Place, pgq: Place) -> None:
    """Before the start, and when they come later."""
    # given
    way = Way(pgque, pgq, "shared").create_queues()
    consumer = way.route.consumer
    register: LiteralString = "select {pgq}.register_subconsumer('shared', %s, 'first', true)"
    unregister: LiteralString = "select {pgq}.unregister_subconsumer('shared', %s, 'first', 0)"
    refused = (
        f'source database: consumer "{consumer}" of queue "shared" is cooperative: its subconsumers'
        " share its events, and a mover must get them all",
        "set another consumer_name, or unregister its subconsumers (pgque.unregister_subconsumer)",
    )
    pgque.ask(register, consumer)
    member = replace(way.route, consumer=f"{consumer}.first")
    # then neither it nor its subconsumer can be a mover's
    assert refusal(way) == refused
    with (
        pytest.raises(NotReadyError, match="is cooperative"),
        way.mover(route=member),
    ):
        pass
    # when
    pgque.ask(unregister, consumer)
    with way.mover() as mover:
        pgque.produce("shared", 10)
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
        mover.finish()
        # and they come back while it runs
        pgque.ask(register, consumer)
        pgque.produce("shared", 10)
        with pytest.raises(NotReadyError) as stopped:
            mover.move_batch()
        assert str(stopped.value) == REMEDY.join(refused)
        # then it continues without them
        pgque.ask(unregister, consumer)
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
    way.compare()


def test_a_forced_tick_leaps_the_numbers_not_the_events(pgque: Place, pgq: Place) -> None:
    """Counts by event number say too much then; batches do not care."""
    # given
    way = Way(pgque, pgq, "forced").create_queues()
    with way.mover(limits=BatchLimits(max_events=100)) as mover:
        mover.move_batch()
        pgque.produce("forced", 3)
        pgque.ask("select {pgq}.force_next_tick('forced')")
        pgque.produce("forced", 3)
        with pgque.database.connect() as conn:
            (seen,) = read_consumers(conn, "forced", flavour=PGQUE)
        assert (seen.pending or 0) > 1000
        # when
        outcomes = [mover.move_batch() for _ in range(3)]
    # then
    assert sum(outcome.count for outcome in outcomes) == 6
    assert outcomes[-1].result is Result.IDLE
    way.compare()


def test_a_name_too_long_for_pgque_is_not_offered_to_be_created(
    pgque: Place, pgq: Place, tmp_path: Path
) -> None:
    name = "q" * 58
    way = Way(pgq, pgque, name)
    pgq.create_queue(name)
    # when
    text, remedy = refusal(way)
    # then
    assert text.endswith(": PgQue allows names of 57 bytes, this one has 58")
    assert remedy == "set a shorter dst_queue_name"
    assert check(way, tmp_path)["queue_missing"] == {remedy}


def test_from_one_to_the_other_within_a_database(two: Database) -> None:
    """Two queues of one name, each in its own schema."""
    way = Way(Place("old", two, PGQ), Place("new", two, PGQUE), "q").create_queues()
    # when nobody says which is which
    with pytest.raises(NotReadyError, match="set src_flavour = pgq or pgque"), way.mover():
        pass
    # then it is not guessed; when it is said
    said = Route("q", "mover_q", "q", source_flavour=PGQ, target_flavour=PGQUE)
    with way.mover(route=said) as mover:
        way.source.produce("q", 50)
        assert mover.move_batch() == Outcome(Result.MOVED, 50)
    way.compare()
    # and a queue into itself is one as ever
    itself = replace(said, target_flavour=PGQ)
    with pytest.raises(NotReadyError, match="moved into itself"), way.mover(route=itself):
        pass


def test_a_source_may_move_to_pgque_under_a_running_mover(
    two: Database, pgq: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Found again after an error; the position of the old queue stops it, as for any new queue."""
    # given a mover of PgQ's queue
    old, new = Place("old", two, PGQ), Place("new", two, PGQUE)
    way = Way(old, pgq, "migrated").create_queues()
    with way.mover() as mover, caplog.at_level("INFO", "mover"):
        old.produce("migrated", 10)
        assert mover.move_batch() == Outcome(Result.MOVED, 10)
        mover.finish()
        # when its queue, with nothing left in it, makes way for PgQue's
        grants(old, "select pgq.drop_queue('migrated', true)")
        new.create_queue("migrated")
        new.ask("select {pgq}.register_consumer('migrated', %s)", way.route.consumer)
        new.produce("migrated", 5)
        with pytest.raises(QueueMoverError):
            mover.move_batch()
        pgq.ask("select pgq_ext.set_last_tick(%s, null::bigint)", way.route.consumer)
        # then
        assert mover.move_batch() == Outcome(Result.MOVED, 5)
        assert mover.route.source_flavour == PGQUE
    assert caplog.messages.count("source database has PgQue") == 1
    assert pgq.events("migrated").count() == 15


def test_the_commands_name_it(pgque: Place, pgq: Place, tmp_path: Path) -> None:
    """check, start, status and pgqadm, from a file that says nothing about flavours."""
    # given
    way = Way(pgque, pgq, "commands").create_queues()
    settings = {
        "job_name": "named",
        "src_db": pgque.database.conninfo(),
        "dst_db": pgq.database.conninfo(),
        "queue_name": "commands",
        "dst_queue_name": "commands",
        "loop_delay": 0,
        "pidfile": tmp_path / "named.pid",
        "logfile": tmp_path / "named.log",
    }
    config = write_sections(tmp_path / "named.ini", {"queue_mover3": settings})
    version = pgque.ask("select {pgq}.version()")
    run([script("queue_mover3"), "--register", config]).check()
    pgque.produce("commands", 10)
    pgq.tick("commands")
    # when
    checked = run([script("queue_mover3"), "--check", config])
    run([script("queue_mover3"), config]).check()
    seen = json.loads(run([script("queue_mover3"), "--status", "--json", config]).stdout)
    # then
    assert f"PgQue {version} on the source, PgQ {pgq_version()} on the target" in checked.stdout
    assert checked.returncode == 0, checked.stdout
    (source,) = seen["sources"]
    assert (source["source_flavour"], source["target_flavour"]) == ("pgque", "pgq")
    assert (source["registered"], source["pending_events"], seen["findings"]) == (True, 0, [])
    way.compare()
    # and nobody is sent to pgqd, which does not tick it
    grants(
        pgque, "update pgque.queue set queue_ticker_idle_period = '0', queue_ticker_max_lag = '0'"
    )
    grants(pgque, "update pgque.tick set tick_time = tick_time - interval '1 day'")
    late = run([script("queue_mover3"), "--check", config])
    assert "pgqadm.py CONFIG ticker, or with pg_cron SELECT pgque.start()" in late.stdout
