"""An idle mover sleeps until the source announces a tick; correctness never depends on it."""

import signal
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from psycopg import sql

from queue_mover.admin.announcing import announce_ticks
from queue_mover.errors import NotReadyError
from queue_mover.model import PGQ, Result
from queue_mover.moving import announcements
from testbed.database import Database, value
from testbed.processes import Process, run, script, wait_until, write_ini
from testbed.queues import create_queue, insert_event, install_pgq_ext
from tests.moving.pair import TICKS_AT_WILL, Pair
from tests.moving.test_pgbouncer import bouncer_before, mix, ways

_numbers = count(8000)
LONG = 60
"""Seconds of loop_delay: whoever polls would still sleep at the end of the test."""


@pytest.fixture
def pair(shared_databases: tuple[Database, Database], tmp_path: Path) -> Iterator[Pair]:
    """A pair whose source announces its ticks."""
    made = Pair(*shared_databases, tmp_path, next(_numbers))
    install_pgq_ext(made.source)
    announce_ticks(made.source)
    yield made
    made.source.execute("drop trigger if exists queue_mover_announce on pgq.tick")
    made.close()


def queries(pair: Pair, name: str = "mover") -> str:
    """When the mover last asked the source something."""
    return str(
        value(
            pair.source,
            "select max(query_start)::text from pg_stat_activity where application_name = %s"
            " and datname = current_database()",
            name,
        )
    )


def start_idle(pair: Pair) -> Process:
    """A mover with a long loop_delay that sleeps."""
    mover = pair.start("mover", loop_delay=LONG)
    last = ""

    def is_quiet() -> bool:
        nonlocal last
        before, last = last, queries(pair)
        return before == last

    wait_until(is_quiet, 30, "a mover that sleeps", interval=0.2)
    return mover


def test_a_tick_wakes_it(pair: Pair) -> None:
    with start_idle(pair) as mover:
        for number in range(1, 4):
            pair.produce(10)
            pair.wait_for(10 * number)
        assert mover.stop() == 0
    pair.assert_identical()


def test_ticks_of_other_queues_do_not(pair: Pair, tmp_path: Path) -> None:
    other = Pair(pair.source_db, pair.target_db, tmp_path, next(_numbers))
    with start_idle(pair) as mover:
        before = queries(pair)
        for _ in range(5):
            other.produce(1)
        pair.source.execute("select pg_notify('pgq_nobody', '')")
        assert queries(pair) == before
        pair.produce(1)
        pair.wait_for(1)
        assert mover.stop() == 0
    other.close()


def test_too_many_announcements_cost_little(pair: Pair) -> None:
    with start_idle(pair) as mover:
        channel = PGQ.tick_channel(pair.queue)
        seen = {queries(pair)}
        ended = time.monotonic() + 1
        sent = 0
        while time.monotonic() < ended:
            sent += 1
            pair.source.execute("select pg_notify(%s, %s)", [channel, str(sent)])
            seen.add(queries(pair))
        assert len(seen) < sent / 4
        pair.produce(1)
        pair.wait_for(1)
        assert mover.stop() == 0


@pytest.mark.parametrize("end", ["stop", "reload"])
def test_signals_wake_it_at_once(pair: Pair, end: str) -> None:
    with start_idle(pair) as mover:
        started = time.monotonic()
        if end == "reload":
            pair.ini(loop_delay=LONG, table_filter="nothing")
            mover.send(signal.SIGHUP)
            wait_until(lambda: "Config reloaded" in mover.stderr, 30, "the reload")
        assert mover.stop() == 0
        assert time.monotonic() - started < LONG / 2


def test_a_lost_connection_does_not_lose_a_tick(pair: Pair) -> None:
    with start_idle(pair) as mover:
        pair.source.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'mover'"
        )
        pair.produce(5)
        pair.wait_for(5)
        pair.produce(5)
        pair.wait_for(10)
        assert mover.stop() == 0
    pair.assert_identical()


def test_a_tick_that_nobody_announced_is_found_and_polling_begins(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(announcements, "LOOK", 0.05)
    mover = pair.mover()
    mover.move_batch()
    assert mover.sleep(0.01)  # asks for announcements
    mover.move_batch()
    # given a trigger that was dropped while the mover runs
    pair.source.execute("drop trigger queue_mover_announce on pgq.tick")
    pair.produce(5)
    # when it looks by itself
    assert mover.sleep(0.01)
    assert mover.move_batch().count == 5
    # then it polls from now on, and says so once
    assert not mover.sleep(0.01)
    pair.produce(5)
    assert mover.move_batch().count == 5
    # and after an error, if they are announced again, it sleeps again
    announce_ticks(pair.source)
    mover._sides = None
    assert mover.move_batch().result is Result.IDLE
    assert mover.sleep(0.01)
    mover.finish()
    assert [r.message for r in caplog.records if "not announced" in r.message] == [
        "a tick was not announced: looking for ticks every loop_delay again; remedy: pgqadm.py"
        " CONFIG install --notify, and no pooler in transaction mode for src_db"
    ]


def test_behind_a_pooler_that_loses_announcements_nothing_is_lost(pair: Pair) -> None:
    with bouncer_before(pair, server_round_robin=1, default_pool_size=3) as server:
        through = ways(pair, server)
        mix(through["src_db"])
        program = [
            sys.executable,
            "-c",
            "from queue_mover.moving import announcements; announcements.LOOK = 0.1;"
            " from queue_mover.cli.queue_mover3 import main; main()",
        ]
        # given a mover that listens on one of several server connections
        file = pair.ini(**through, loop_delay=0.05)
        with Process([*program, file], pair.directory, name="mover") as mover:
            wait_until(lambda: pair.subscription() is not None, 30, "the registration")
            # when ticks come, then each is found, and soon one that was not announced
            ticks = 0
            while "a tick was not announced" not in mover.stderr:
                ticks += 1
                assert ticks < 50, mover.stderr
                pair.produce(2)
                pair.wait_for(2 * ticks)
            pair.produce(2)
            pair.wait_for(2 * ticks + 2)
            assert mover.stop() == 0
    pair.assert_identical()


def test_announced_ticks_are_not_taken_for_missed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the moment at which an announcement comes."""
    monkeypatch.setattr(announcements, "LOOK", 0.0)
    mover = pair.mover()
    for number in range(50):
        while mover.move_batch().count:
            pass
        assert mover.sleep(0.0), number
        pair.produce(1)
    mover.finish()


def test_where_a_batch_gets_ready_without_a_tick_it_polls(pair: Pair) -> None:
    for mover in (
        pair.mover(keep_lag="1 second"),
        pair.mover(min_interval="1 second"),
        pair.mover(min_events=3),
    ):
        mover.move_batch()
        assert not mover.sleep(0.01)


def test_without_the_trigger_it_polls(pair: Pair) -> None:
    pair.source.execute("drop trigger queue_mover_announce on pgq.tick")
    mover = pair.mover()
    mover.move_batch()
    assert not mover.sleep(0.01)


LONG_NAME = "q" * 58 + "\u00e9"


@pytest.mark.parametrize("queue", ["orders", 'with "quotes" and spaces', LONG_NAME])
def test_the_channel_of_a_queue_is_the_one_that_is_announced(pair: Pair, queue: str) -> None:
    create_queue(pair.source, queue, **TICKS_AT_WILL)
    try:
        channel = sql.Identifier(PGQ.tick_channel(queue))
        pair.source.execute(sql.SQL("listen {}").format(channel))
        insert_event(pair.source, queue, "t", "x")
        pair.source.execute("select pgq.ticker(%s)", [queue])
        assert list(pair.source.notifies(timeout=5, stop_after=1))
    finally:
        pair.source.execute("unlisten *")
        pair.source.execute("select pgq.drop_queue(%s)", [queue])


def test_install_notify(source_db: Database, tmp_path: Path) -> None:
    ini = write_ini(tmp_path / "admin.ini", "pgqadm", {"db": source_db.conninfo()})
    first = run([script("pgqadm.py"), ini, "install", "--notify"])
    again = run([script("pgqadm.py"), ini, "install", "--notify"])
    assert first.check().stdout.splitlines()[-1] == "notify: ticks are announced from now on"
    assert again.check().stdout.splitlines()[-1] == "notify: ticks are announced already"


def test_install_notify_needs_the_owner(source_db: Database, tmp_path: Path) -> None:
    with source_db.connect() as conn:
        install_pgq_ext(conn)
        conn.execute("create role passer_by login")
    try:
        with (
            source_db.connect(user="passer_by") as conn,
            pytest.raises(NotReadyError, match="GRANT TRIGGER"),
        ):
            announce_ticks(conn)
    finally:
        with source_db.connect() as conn:
            conn.execute("drop role passer_by")


def test_notify_belongs_to_install(tmp_path: Path) -> None:
    ini = write_ini(tmp_path / "admin.ini", "pgqadm", {"db": "dbname=x"})
    result = run([script("pgqadm.py"), ini, "status", "--notify"])
    assert result.returncode == 1
    assert result.stderr == "pgqadm: --notify works only with the command install\n"
