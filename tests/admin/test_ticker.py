"""pgqadm ticker: one tick step and one maintenance round, on real databases."""

import threading

import psycopg
import pytest

from queue_mover.admin import queues, ticker
from queue_mover.admin.ticker import Call, Ticked
from queue_mover.errors import OperatorError
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.processes import wait_until
from testbed.queues import insert_event, last_tick
from tests.admin.locks import wait_until_blocked

WEIRD = """we"ird '%s \\ queue"""
NO_NAME = "not a name; drop table public.log"


def create_eager(conn: psycopg.Connection, name: str) -> None:
    """A queue that wants a tick for every event, at once."""
    queues.create(conn, name)
    conn.execute("update pgq.queue set queue_ticker_max_count = 1 where queue_name = %s", [name])


@pytest.fixture
def two(source: psycopg.Connection) -> tuple[str, str]:
    """Two eager queues, the first of which has a name to stumble over."""
    create_eager(source, WEIRD)
    create_eager(source, "good")
    return WEIRD, "good"


def ticks(conn: psycopg.Connection, names: tuple[str, ...]) -> list[int]:
    """The last tick of each queue."""
    return [last_tick(conn, name) for name in names]


def test_ticks_where_it_is_time(source: psycopg.Connection, two: tuple[str, str]) -> None:
    # given: events in one queue. A young queue gets its second tick in any case, and PgQ
    # does not count the very first event of a queue.
    source.execute("update pgq.queue set queue_ticker_max_lag = '1 hour'")
    ticker.tick(source)
    weird, good = ticks(source, two)
    insert_event(source, "good", "t", "d")
    insert_event(source, "good", "t", "d")
    # when, then
    assert ticker.tick(source) == Ticked(1)
    assert ticks(source, two) == [weird, good + 1]
    assert ticker.tick(source) == Ticked(0)
    assert ticks(source, two) == [weird, good + 1]


def test_one_broken_queue_does_not_stop_the_others(
    source: psycopg.Connection, two: tuple[str, str]
) -> None:
    # given: a queue whose state PgQ refuses, as after a restore into a younger server
    source.execute(
        """
        update pgq.tick set tick_snapshot = '9999999:9999999:'
          from pgq.queue where queue_id = tick_queue and queue_name = %s
        """,
        [WEIRD],
    )
    insert_event(source, "good", "t", "d")
    before = last_tick(source, "good")
    # when
    done = ticker.tick(source)
    # then
    assert last_tick(source, "good") > before
    assert done.count == 1
    (failure,) = done.failures
    assert failure.name == f"pgq.ticker({WEIRD})"
    assert failure.failure is not None
    assert failure.failure.startswith("Invalid PgQ state")
    assert "the server's transaction ids are behind those of the ticks (9999999)" in failure.failure
    assert "remedy: stop producers and server, run pg_resetwal --epoch=1" in failure.failure


@pytest.mark.usefixtures("two")
def test_waits_for_another_ticker_to_commit(
    source: psycopg.Connection, source_db: Database
) -> None:
    # given: a pgqd that has taken its snapshot and not committed, and an event after that
    done: list[Ticked] = []
    insert_event(source, "good", "t", "d")
    with source_db.connect() as ours:
        thread = threading.Thread(target=lambda: done.append(ticker.tick(ours)))
        with source_db.connect() as pgqd, pgqd.transaction():
            pgqd.execute("select pgq.ticker()")
            insert_event(source, "good", "t", "d")
            # when
            thread.start()
            wait_until_blocked(source, ours)
            assert done == []
        thread.join(10)
    # then: the later number has the later snapshot
    assert [ticked.failures for ticked in done] == [()]
    snapshots = source.execute(
        """
        select txid_snapshot_xmax(tick_snapshot)
          from pgq.tick join pgq.queue on queue_id = tick_queue
         where queue_name = 'good' order by tick_id
        """
    ).fetchall()
    assert len(snapshots) == 3
    assert snapshots == sorted(snapshots)


@pytest.mark.usefixtures("two")
def test_keeps_other_tickers_out_until_it_commits(
    source: psycopg.Connection, source_db: Database
) -> None:
    insert_event(source, "good", "t", "d")
    # given: a tick of ours that has not committed
    with source_db.connect() as pgqd, source.transaction():
        assert ticker.tick(source).count >= 1
        # when
        pgqd.execute("set lock_timeout = 300")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pgqd.execute("select pgq.ticker()")


@pytest.mark.usefixtures("two")
def test_does_not_wait_for_ever(source: psycopg.Connection, source_db: Database) -> None:
    with source_db.connect() as other, other.transaction():
        other.execute("lock table pgq.tick in row exclusive mode")
        done = ticker.tick(source)
    assert done.count == 0
    assert [failure.name for failure in done.failures] == ["pgq.ticker()"]
    # and the next time all is well
    assert ticker.tick(source).failures == ()


def test_paused_and_external_queues_are_left_alone(
    source: psycopg.Connection, two: tuple[str, str]
) -> None:
    source.execute("update pgq.queue set queue_ticker_paused = true where queue_name = 'good'")
    source.execute("update pgq.queue set queue_external_ticker = true where queue_name <> 'good'")
    before = ticks(source, two)
    for name in two:
        insert_event(source, name, "t", "d")

    assert ticker.tick(source) == Ticked(0)

    assert ticks(source, two) == before


@pytest.mark.usefixtures("two")
def test_lost_connection_is_for_the_caller(source: psycopg.Connection, source_db: Database) -> None:
    for step in (ticker.tick, lambda conn: list(ticker.maintain(conn))):
        with source_db.connect() as conn:
            source.execute("select pg_terminate_backend(%s)", [conn.info.backend_pid])
            with pytest.raises(psycopg.OperationalError):
                step(conn)


def test_connection_lost_in_the_middle_of_maintenance_is_for_the_caller(
    source: psycopg.Connection, source_db: Database, source_queue: str
) -> None:
    source.execute(
        """
        create function public.fatal(queue text) returns int language sql
            as 'select 1 from pg_terminate_backend(pg_backend_pid())';
        update pgq.queue set queue_extra_maint = array['public.fatal'];
        """
    )
    with source_db.connect() as conn, pytest.raises(psycopg.OperationalError):
        list(ticker.maintain(conn))


@pytest.mark.usefixtures("two")
def test_pgq_admin_is_enough_and_necessary(
    source: psycopg.Connection, plain: psycopg.Connection
) -> None:
    with pytest.raises(OperatorError, match="remedy: GRANT pgq_admin TO"):
        ticker.tick(plain)
    with pytest.raises(OperatorError, match="remedy: GRANT pgq_admin TO"):
        list(ticker.maintain(plain))

    source.execute('grant pgq_admin to "plain one"')
    source.execute("update pgq.queue set queue_rotation_period = '0'")

    assert ticker.tick(plain).failures == ()
    assert [call for call in ticker.maintain(plain) if call.failure] == []
    assert _current_tables(source) == [1, 1]


def test_database_without_pgq_names_install(source_cluster: Cluster) -> None:
    with source_cluster.connect() as conn:
        for step in (ticker.tick, lambda conn: list(ticker.maintain(conn))):
            with pytest.raises(OperatorError, match="PgQ is not installed"):
                step(conn)


def _current_tables(conn: psycopg.Connection) -> list[int]:
    found = conn.execute("select queue_cur_table from pgq.queue order by queue_name")
    return [number for (number,) in found]


@pytest.mark.usefixtures("two")
def test_rotates_with_both_steps(source: psycopg.Connection) -> None:
    source.execute("update pgq.queue set queue_rotation_period = '0'")

    calls = list(ticker.maintain(source))

    assert calls == [
        Call("pgq.maint_retry_events()"),
        Call("pgq.maint_rotate_tables_step1(good)"),
        Call(f"pgq.maint_rotate_tables_step1({WEIRD})"),
        Call("pgq.maint_rotate_tables_step2()"),
    ]
    assert _current_tables(source) == [1, 1]
    row = source.execute(
        "select bool_and(queue_switch_step2 > queue_switch_step1) from pgq.queue"
    ).fetchone()
    assert row == (True,), "step 2 must come in a later transaction"


@pytest.mark.usefixtures("two")
def test_one_failing_operation_does_not_stop_the_others(source: psycopg.Connection) -> None:
    # given: a queue whose consumer's tick is gone
    queues.register(source, "good", "c")
    source.execute("update pgq.subscription set sub_last_tick = 99")
    source.execute("update pgq.queue set queue_rotation_period = '0'")
    # when
    failed = [call for call in ticker.maintain(source) if call.failure]
    # then
    assert failed == [
        Call("pgq.maint_rotate_tables_step1(good)", "queue good maint failure: tick 99 not found")
    ]
    assert _current_tables(source) == [0, 1]
    assert source.execute("select count(queue_switch_step2) from pgq.queue").fetchone() == (2,)


def test_retry_events_return_all_of_them(source: psycopg.Connection, source_queue: str) -> None:
    # given: a batch of 25 events that the consumer wants again
    queues.register(source, source_queue, "c")
    for number in range(25):
        insert_event(source, source_queue, "t", str(number))
    source.execute("select pgq.force_tick(%s)", [source_queue])
    ticker.tick(source)
    batch = value(source, "select pgq.next_batch(%s, 'c')", source_queue)
    source.execute("select pgq.batch_retry(%s, 0)", [batch])
    source.execute("select pgq.finish_batch(%s)", [batch])
    # when
    calls = list(ticker.maintain(source))
    # then
    assert calls == [Call("pgq.maint_retry_events()")] * 4
    assert source.execute("select count(*) from pgq.retry_queue").fetchone() == (0,)
    assert source.execute("select count(*) from pgq.event_1 where ev_retry = 1").fetchone() == (25,)


def test_own_operations_of_a_queue(source: psycopg.Connection, source_queue: str) -> None:
    # given: functions that the queue's owner wants called, some of them broken
    source.execute(
        """
        create table public.log (what text);
        create function public.until_three(queue text) returns int language plpgsql as $$
        begin
            insert into public.log values (queue);
            return case when (select count(*) from public.log) < 3 then 1 else 0 end;
        end$$;
        create function public."Void"(queue text) returns void language sql
            as $$insert into public.log values ('void')$$;
        create function public.for_ever(queue text) returns int language sql as 'select 1';
        update pgq.queue set queue_extra_maint = array[
            'no.such_function', 'for_ever', 'public.until_three', 'public."Void"'];
        """
    )
    source.execute("update pgq.queue set queue_extra_maint = %s || queue_extra_maint", [[NO_NAME]])
    # when
    calls = list(ticker.maintain(source))
    # then
    failures = {call.name: call.failure for call in calls if call.failure}
    assert failures == {
        "no.such_function(from_here)": 'schema "no" does not exist',
        f"{NO_NAME}(from_here)": f'string is not a valid identifier: "{NO_NAME}"',
        "for_ever(from_here)": "not finished after 1000 calls; the rest is left for the next round",
    }
    assert calls.count(Call("public.until_three(from_here)")) == 3
    logged = source.execute("select what, count(*) from public.log group by 1 order by 1")
    assert logged.fetchall() == [("from_here", 3), ("void", 1)]


def test_vacuums_where_autovacuum_does_not(
    source: psycopg.Connection, plain: psycopg.Connection, source_cluster: Cluster
) -> None:
    # given
    source.execute("alter system set autovacuum = off")
    source_cluster.reload()
    try:
        _wait_for_autovacuum_off(source)
        # when
        calls = list(ticker.maintain(source))
        # then
        assert Call("vacuum(pgq.tick)") in calls
        assert [call for call in calls if call.failure] == []
        wait_until(lambda: _vacuums(source) == 1, 10, "statistics of the vacuum")
        # and: a role that may not is told so, where the server only warns
        source.execute('grant pgq_admin to "plain one"')
        _wait_for_autovacuum_off(plain)
        refused = {call.name: call.failure or "" for call in ticker.maintain(plain)}
        assert "skipping" in refused["vacuum(pgq.tick)"]
    finally:
        source.execute("alter system reset autovacuum")
        source_cluster.reload()


def _wait_for_autovacuum_off(conn: psycopg.Connection) -> None:
    wait_until(
        lambda: conn.execute("show autovacuum").fetchone() == ("off",), 10, "the configuration"
    )


def _vacuums(conn: psycopg.Connection) -> int:
    statement = "select vacuum_count from pg_stat_all_tables where relid = 'pgq.tick'::regclass"
    return int(value(conn, statement))


@pytest.mark.usefixtures("two")
def test_user_may_stop_in_the_middle_and_tick_in_between(source: psycopg.Connection) -> None:
    source.execute("update pgq.queue set queue_rotation_period = '0'")
    round_of_calls = ticker.maintain(source)
    assert next(round_of_calls) == Call("pgq.maint_retry_events()")
    insert_event(source, "good", "t", "d")
    assert ticker.tick(source).count >= 1
    assert next(round_of_calls) == Call("pgq.maint_rotate_tables_step1(good)")
    round_of_calls.close()
    assert _current_tables(source) == [1, 0]
