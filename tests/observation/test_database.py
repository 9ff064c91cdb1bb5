"""What pgqadm status reads, and how it judges a real database."""

import re

import psycopg
import pytest

from queue_mover.admin import queues, ticker
from queue_mover.errors import OperatorError
from queue_mover.observation.database import gather
from queue_mover.observation.database_findings import problems
from queue_mover.observation.findings import MARKS, Code
from queue_mover.reporting.database_report import status_lines
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.programs import pgq_version
from testbed.queues import produce, tick


def wrong(conn: psycopg.Connection) -> list[tuple[Code, str, str]]:
    """What is wrong, by code, queue and consumer."""
    return [(f.code, f.place.queue, f.place.consumer) for f in problems(gather(conn), 300)]


def finish(conn: psycopg.Connection, queue: str, consumer: str) -> None:
    """Let a consumer take and finish one batch."""
    conn.execute("select pgq.finish_batch(pgq.next_batch(%s, %s))", [queue, consumer])


def test_versions(target: psycopg.Connection) -> None:
    status = gather(target)
    version = value(target, "select current_setting('server_version_num')::int")
    assert status.postgresql == f"{version // 10000}.{version % 10000}"
    assert status.pgq == pgq_version()
    assert status.pgq_ext == "3.1"
    assert status.database == target.info.dbname
    assert not status.is_standby


def test_pgq_ext_of_others_and_none(source: psycopg.Connection) -> None:
    assert gather(source).pgq_ext is None
    source.execute("create schema pgq_ext")
    assert gather(source).pgq_ext == "of unknown version"
    source.execute(
        "create function pgq_ext.version() returns text language sql as $$select '3.3'$$"
    )
    assert gather(source).pgq_ext == "3.3"


def test_numbers_of_queue_and_consumer(source: psycopg.Connection, source_queue: str) -> None:
    # given: a consumer that has finished 100 of 350 ticked events, and 50 new ones
    queues.register(source, source_queue, "c")
    produce(source, source_queue, 100)
    first = tick(source, source_queue)
    finish(source, source_queue, "c")
    produce(source, source_queue, 250)
    # a plain ticker, since testbed's forced tick leaves a gap in the event ids
    source.execute("update pgq.queue set queue_ticker_max_count = 1")
    ticker.tick(source)
    row = source.execute("select pgq.next_batch(%s, 'c')", [source_queue]).fetchone()
    produce(source, source_queue, 50)
    # when
    status = gather(source)
    # then
    (queue,), (consumer,) = status.queues, status.consumers
    assert (queue.name, queue.tables, queue.current_table) == (source_queue, 3, 0)
    assert (queue.rotation_period, queue.max_lag, queue.idle_period) == (7200, 3, 60)
    assert (queue.max_count, queue.new_events, queue.last_tick) == (1, 50, first + 1)
    assert queue.since_tick is not None
    assert 0 <= queue.since_tick < 30
    assert queue.events_per_second is not None
    assert queue.events_per_second > 0
    assert (consumer.queue, consumer.name) == (source_queue, "c")
    assert (consumer.last_tick, consumer.pending, consumer.batch) == (first, 250, row and row[0])
    assert consumer.batch_end == first + 1
    assert consumer.waiting is not None
    assert 0 <= consumer.waiting < 30
    assert consumer.lag is not None
    assert queue.since_tick <= consumer.lag < 30
    assert problems(status, 300) == ()


def test_one_queue_of_several(source: psycopg.Connection, source_queue: str) -> None:
    queues.create(source, "another")
    for name in (source_queue, "another"):
        queues.register(source, name, f"of_{name}")

    assert [queue.name for queue in gather(source).queues] == ["another", source_queue]
    status = gather(source, "another")

    assert [queue.name for queue in status.queues] == ["another"]
    assert [consumer.name for consumer in status.consumers] == ["of_another"]


def test_missing_queue_is_named(source: psycopg.Connection, source_queue: str) -> None:
    with pytest.raises(OperatorError, match=rf'no queue "typo" .*existing: {source_queue}'):
        gather(source, "typo")


def test_needs_no_privilege(
    source: psycopg.Connection, source_db: Database, source_queue: str
) -> None:
    queues.register(source, source_queue, "c")
    source.execute("create role watcher login")
    try:
        with source_db.connect(user="watcher") as conn:
            assert gather(conn).consumers[0].name == "c"
    finally:
        source.execute("drop role watcher")


def test_database_without_pgq_names_install(source_cluster: Cluster) -> None:
    with source_cluster.connect() as conn, pytest.raises(OperatorError, match="not installed"):
        gather(conn)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("update pgq.queue set queue_ticker_paused = true", Code.TICKER_PAUSED),
        ("update pgq.queue set queue_disable_insert = true", Code.INSERTS_DISABLED),
        ("update pgq.tick set tick_time = now() - interval '1 hour'", Code.TICKER),
        ("delete from pgq.tick", Code.TICKER),
        ("update pgq.queue set queue_switch_time = now() - interval '3 hours'", Code.ROTATION),
        (
            "update pgq.queue set queue_switch_time = now() - interval '1 hour',"
            " queue_switch_step2 = null",
            Code.ROTATION,
        ),
    ],
)
def test_damage_is_marked(
    source: psycopg.Connection, source_queue: str, damage: str, code: Code
) -> None:
    assert wrong(source) == []
    source.execute(damage.encode())
    assert wrong(source) == [(code, source_queue, "")]
    assert any(
        line.startswith(source_queue) and line.endswith(f"  {MARKS[code]}")
        for line in _report(source)
    )


def test_paused_ticker_remedy_works(source: psycopg.Connection, source_queue: str) -> None:
    source.execute("update pgq.queue set queue_ticker_paused = true, queue_disable_insert = true")
    for problem in problems(gather(source), 300):
        source.execute(problem.remedy.encode())
    assert wrong(source) == []


def test_silent_consumer_is_marked_when_it_has_work(
    source: psycopg.Connection, source_queue: str
) -> None:
    queues.register(source, source_queue, "c")
    source.execute("update pgq.subscription set sub_active = now() - interval '1 hour'")
    tick(source, source_queue)
    assert wrong(source) == []

    source.execute(
        "update pgq.tick set tick_time = now() - interval '1 hour' where tick_id ="
        " (select max(tick_id) from pgq.tick)"
    )
    source.execute("update pgq.queue set queue_external_ticker = true")

    assert wrong(source) == [(Code.CONSUMER_NOT_SEEN, source_queue, "c")]


def test_lost_tick_of_a_consumer_is_marked(source: psycopg.Connection, source_queue: str) -> None:
    queues.register(source, source_queue, "c")
    tick(source, source_queue)
    source.execute(
        "delete from pgq.tick where tick_id = (select sub_last_tick from pgq.subscription)"
    )

    assert wrong(source) == [(Code.POSITION_GONE, source_queue, "c")]


def test_rotation_names_who_holds_it_and_pgq_agrees(
    source: psycopg.Connection, source_queue: str
) -> None:
    # given: one rotation behind us; a consumer from before it, and one that has come along
    for consumer in ("slow", "fast"):
        queues.register(source, source_queue, consumer)
    source.execute("update pgq.queue set queue_rotation_period = '0'")
    tick(source, source_queue)
    for consumer in ("slow", "fast"):
        finish(source, source_queue, consumer)
    list(ticker.maintain(source))
    tick(source, source_queue)
    finish(source, source_queue, "fast")
    # when: the next rotation is late
    late = "update pgq.queue set queue_switch_time = now() - interval '1 hour'"
    source.execute(late.encode())
    # then: maintenance cannot rotate, and the right one is blamed
    assert _rotations(source) == 1
    list(ticker.maintain(source))
    assert _rotations(source) == 1
    assert [p.text for p in problems(gather(source), 300) if p.code is Code.ROTATION] == [
        "rotation overdue by 1h, held back by slow"
    ]
    # and when it has come along, maintenance can
    finish(source, source_queue, "slow")
    list(ticker.maintain(source))
    assert _rotations(source) == 2
    assert wrong(source) == []


def test_rotation_held_by_an_old_transaction_blames_no_consumer(
    source: psycopg.Connection, source_db: Database, source_queue: str
) -> None:
    # given: a transaction that was there before the rotation, and a consumer that is up to date
    queues.register(source, source_queue, "c")
    with source_db.connect() as old, old.transaction():
        old.execute("select txid_current()")
        source.execute("update pgq.queue set queue_rotation_period = '0'")
        tick(source, source_queue)
        finish(source, source_queue, "c")
        source.execute(
            "update pgq.queue set queue_switch_step1 = txid_current(),"
            " queue_switch_step2 = txid_current(), queue_switch_time = now() - interval '1 hour'"
        )
        tick(source, source_queue)
        finish(source, source_queue, "c")
        # when
        list(ticker.maintain(source))
        # then
        (problem,) = problems(gather(source), 300)
        assert problem.text.startswith(
            "rotation overdue by 1h, held back by a transaction older than"
        )
    tick(source, source_queue)
    finish(source, source_queue, "c")
    list(ticker.maintain(source))
    assert wrong(source) == []


def _report(conn: psycopg.Connection) -> list[str]:
    status = gather(conn)
    return status_lines(status, problems(status, 300))


def quarantine(conn: psycopg.Connection, consumer: str, *numbers: int) -> None:
    """Keep events aside, as a mover does."""
    for number in numbers:
        conn.execute(
            "select queue_mover.quarantine_event(%s, 'source', 'q', %s, now(),"
            " array[]::bytea[], 'UTF8', 'why')",
            [consumer, number],
        )


def test_events_in_quarantine_are_counted_by_consumer(
    target: psycopg.Connection, source: psycopg.Connection
) -> None:
    assert gather(source).quarantined == gather(target).quarantined == ()
    quarantine(target, "b", 1)
    quarantine(target, "a", 2, 3)
    held = gather(target).quarantined
    assert held is not None
    assert [(each.consumer, each.events) for each in held] == [("a", 2), ("b", 1)]
    assert all(0 <= each.since < 30 for each in held)
    assert wrong(target) == [(Code.QUARANTINE, "", "a"), (Code.QUARANTINE, "", "b")]
    assert any(re.match(r"a .*  Q$", line) for line in _report(target))


def test_who_may_not_see_the_quarantine_is_told_so(
    target: psycopg.Connection, target_db: Database
) -> None:
    quarantine(target, "a", 1)
    target.execute("create role watcher login")
    try:
        with target_db.connect(user="watcher") as conn:
            assert gather(conn).quarantined is None
            assert "Quarantined events are not shown; remedy: GRANT pgq_admin" in "".join(
                _report(conn)
            )
    finally:
        target.execute("drop role watcher")


def _rotations(conn: psycopg.Connection) -> int:
    return int(value(conn, "select queue_cur_table from pgq.queue"))
