"""`pgqadm install` upgrades every earlier state of the schemas, with movers at work."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from queue_mover import Mover, OperatorError
from queue_mover.admin.install import install
from queue_mover.config.loading import load_mover
from queue_mover.observation.findings import Code, Finding, Severity
from queue_mover.observation.source_findings import judge
from queue_mover.observation.sources import gather
from queue_mover.pgq.schema_version import READ, SCHEMA_VERSION
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.processes import run, script
from testbed.queues import create_queue
from tests.moving.holding import hold_table, wait_until_blocked
from tests.moving.pair import TICKS_AT_WILL, Pair
from tests.upgrades.catalogue import catalogue

STATES = sorted((Path(__file__).parent / "states").glob("*.sql"))
ROWS = """
    insert into pgq_ext.completed_tick values ('c', '', 41);
    insert into pgq_ext.completed_batch values ('c', '', 42);
    insert into pgq_ext.completed_event values ('c', '', 43, 44);
    insert into pgq_ext.partial_batch values ('c', '', 43);
"""
LATER_ROWS = """
    insert into queue_mover.origin (consumer, source, tick, mark) values ('c', 's', 41, '1.5 7');
    insert into queue_mover.quarantine (consumer, source, queue, ev_id, encoding, reason)
        values ('c', 's', 'q', 9, 'UTF8', 'bad');
"""
KEPT = (
    "select consumer_id, last_tick_id from pgq_ext.completed_tick",
    "select consumer_id, last_batch_id from pgq_ext.completed_batch",
    "select consumer_id, event_id from pgq_ext.completed_event",
    "select consumer_id, cur_batch_id from pgq_ext.partial_batch",
    "select consumer, source, tick, mark from queue_mover.origin",
    "select id, consumer, ev_id, arrived from queue_mover.quarantine",
)

_numbers = itertools.count(8800)


@pytest.fixture
def blank(source_cluster: Cluster) -> Iterator[psycopg.Connection]:
    """A database with PgQ, and none of our schemas."""
    name = f"upgrade{next(_numbers)}"
    source_cluster.start()
    database = source_cluster.create_database(name, "template_pgq")
    with database.connect() as conn:
        yield conn
    source_cluster.drop_database(name)


@pytest.fixture(scope="module")
def fresh(source_cluster: Cluster) -> dict[str, list[str]]:
    """What a new installation has."""
    database = source_cluster.start().create_database("upgraded", "template_pgq")
    with database.connect() as conn:
        install(conn)
        found = catalogue(conn)
    source_cluster.drop_database("upgraded")
    return found


def kept(conn: psycopg.Connection, state: Path) -> list[list[tuple[object, ...]]]:
    """The rows of a state's tables."""
    count = 4 if state == STATES[0] else len(KEPT)
    return [conn.execute(each.encode()).fetchall() for each in KEPT[:count]]


def signatures(conn: psycopg.Connection) -> set[tuple[object, ...]]:
    """The functions, with what they take and return."""
    return set(
        conn.execute(
            "select oid::regprocedure::text, pg_get_function_result(oid) from pg_proc"
            " where pronamespace::regnamespace::text in ('pgq_ext', 'queue_mover')"
        )
    )


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.stem)
def test_each_earlier_state_becomes_a_new_installation_and_keeps_its_rows(
    blank: psycopg.Connection, fresh: dict[str, list[str]], state: Path
) -> None:
    # given
    blank.execute(state.read_bytes())
    blank.execute((ROWS + (LATER_ROWS if state != STATES[0] else "")).encode())
    before = kept(blank, state)
    assert catalogue(blank) != fresh
    calls = signatures(blank)
    # when
    report = install(blank)
    # then
    assert catalogue(blank) == fresh
    assert kept(blank, state) == before
    # and what movers of that version call is the same
    assert calls <= signatures(blank)
    is_new = state == STATES[0]
    assert report[1:3] == [
        "pgq_ext: upgraded from an earlier version to 4.0",
        f"queue_mover: {'installed' if is_new else 'upgraded from an earlier version to 4.0'}",
    ]
    assert install(blank)[1:3] == [
        "pgq_ext: already installed, updated",
        "queue_mover: already installed, updated",
    ]
    assert catalogue(blank) == fresh


def test_all_of_an_upgrade_or_nothing(blank: psycopg.Connection) -> None:
    """Given something in its way, at its very end."""
    blank.execute(STATES[1].read_bytes())
    before = catalogue(blank)
    blank.execute("create view queue_mover.identity as select 1 as id")

    with pytest.raises((OperatorError, psycopg.Error)):
        install(blank)

    blank.execute("drop view queue_mover.identity")
    assert catalogue(blank) == before


def test_the_files_and_the_program_have_one_version(blank: psycopg.Connection) -> None:
    install(blank)
    versions = [value(blank, f"select {each}") for each in READ.values()]
    assert versions == [SCHEMA_VERSION, SCHEMA_VERSION]
    assert value(blank, "select queue_mover.version()") == SCHEMA_VERSION
    assert value(blank, "select pgq_ext.version()") == "3.1"


def newer(conn: psycopg.Connection) -> None:
    """Make the schemas those of a later program."""
    for name in READ:
        definition = value(conn, "select pg_get_functiondef(%s::regproc)", f"{name}.version")
        conn.execute(definition.replace("4.0", "4.10"))


def test_a_newer_schema_is_left_unchanged(blank: psycopg.Connection) -> None:
    install(blank)
    newer(blank)
    before = catalogue(blank)
    assert install(blank)[1:3] == [
        f"{name}: already installed, version 4.10, newer than this program's 4.0: left unchanged;"
        " remedy: upgrade queue_mover on this machine"
        for name in ("pgq_ext", "queue_mover")
    ]
    assert catalogue(blank) == before


# With movers at work


@pytest.fixture
def pair(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A pair of queues whose target has no schema of ours."""
    pair = Pair(source_db, target_db, tmp_path, next(_numbers))
    pair.target.execute("set client_min_messages = warning")
    pair.target.execute("drop schema pgq_ext cascade; drop schema queue_mover cascade")
    yield pair
    pair.close()


OLDER = (
    "target database: schema queue_mover is of an earlier version, older than this program's 4.0:"
    " small batches of several sources do not share transactions, a loop of movers is not noticed,"
    " keep_event_id cannot be used; remedy: "
)


def found(pair: Pair) -> list[Finding]:
    """What status and check say about the target's schema."""
    (status,) = gather(load_mover(pair.ini(), {}).movers)
    return [each for each in judge(status) if each.code is Code.SCHEMA_VERSION]


@contextmanager
def producing(pair: Pair) -> Iterator[None]:
    """Events and ticks on the source, all the time."""
    ended = threading.Event()

    def produce() -> None:
        with pair.source_db.connect() as conn:
            while not ended.wait(0.01):
                conn.execute("select pgq.insert_event(%s, 't', now()::text)", [pair.queue])
                conn.execute("select pgq.ticker(%s)", [pair.queue])

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def test_movers_work_before_during_and_after_an_upgrade(pair: Pair) -> None:
    # given a mover that has met an older schema
    pair.target.execute(STATES[2].read_bytes())
    with pair.start() as mover:
        pair.produce(10)
        pair.wait_for(10)
        # then log and status say once what that cannot do
        assert mover.stderr.count(f"{OLDER}pgqadm.py CONFIG install") == 1
        (finding,) = found(pair)
        assert finding.message == f"{OLDER}pgqadm.py CONFIG install"
        assert finding.severity is Severity.WARNING
        # when it is upgraded while events move
        with producing(pair):
            pair.wait_for(20)
            report = install(pair.target)
            pair.wait_for(pair.target_events.count() + 20)
        pair.tick()
        pair.wait_for(pair.source_events.count())
        assert mover.stop() == 0
        assert "ERROR" not in mover.stderr
    # then nothing is lost or doubled, and nothing is left to say
    assert "queue_mover: upgraded from an earlier version to 4.0" in report
    pair.assert_identical()
    assert found(pair) == []


def test_an_upgrade_that_changes_no_table_does_not_wait_for_a_batch(pair: Pair) -> None:
    # given a mover in the middle of a batch
    pair.target.execute(STATES[-1].read_bytes())
    pair.register()
    pair.produce(10)
    with hold_table(pair.source_db, pair.source_events.table) as lock, pair.start() as mover:
        wait_until_blocked(pair.source)
        # when
        report = install(pair.target)
        # then the batch is committed through the new functions
        lock.rollback()
        pair.wait_for(10)
        assert mover.stop() == 0
        assert "ERROR" not in mover.stderr
    assert "queue_mover: upgraded from an earlier version to 4.0" in report
    pair.assert_identical()


def test_a_mover_that_meets_a_newer_schema_says_so_once_and_works(pair: Pair) -> None:
    # given a process with two sources
    install(pair.target)
    newer(pair.target)
    create_queue(pair.source, "other", **TICKS_AT_WILL)
    path = pair.ini(consumer_name="%(job_name)s.%(source)s", loop_delay=0)
    path.write_text(path.read_text() + "[source:a]\n[source:b]\nqueue_name = other\n")
    # when
    result = run([script("queue_mover3"), path]).check()
    pair.produce(10)
    list(Mover(path, "a"))
    # then
    assert pair.target_events.count() == 10
    text = "schema queue_mover is of version 4.10, newer than this program's 4.0"
    assert result.stderr.count(text) == 1
    checked = run([script("queue_mover3"), "--check", path])
    assert text in checked.stdout
    assert "remedy: upgrade queue_mover on this machine" in checked.stdout
    # and --fix does not offer what it cannot do
    assert "--fix" not in checked.stdout
