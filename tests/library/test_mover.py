"""A Mover inside another program, here this one, on real servers."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from psycopg import sql

import queue_mover
from queue_mover import (
    ConfigError,
    LostPositionError,
    MovedBatch,
    Mover,
    NotReadyError,
    StoppingError,
    UnavailableError,
    UnregisteredError,
)
from queue_mover.admin.announcing import announce_ticks
from testbed.database import value
from testbed.events import Event
from testbed.processes import wait_until
from testbed.queues import insert_event, install_pgq_ext, qualified
from tests.moving.holding import hold_table, hold_target, wait_until_blocked
from tests.moving.pair import Pair


def arguments(pair: Pair, **more: Any) -> dict[str, Any]:
    """What a mover of this pair is made of."""
    return {
        "src_db": pair.source_db.conninfo(),
        "dst_db": pair.target_db.conninfo(),
        "queue_name": pair.queue,
        "dst_queue_name": pair.target_queue,
        "consumer_name": pair.consumer,
        "loop_delay": 0.05,
        **more,
    }


@contextmanager
def iterating(mover: Mover) -> Iterator[tuple[list[MovedBatch], list[Exception]]]:
    """A thread that moves: what it yields and raises. Ends it at the end."""
    batches, errors = list[MovedBatch](), list[Exception]()

    def run() -> None:
        try:
            batches.extend(mover)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield batches, errors
    finally:
        mover.stop()
        thread.join(30)
        assert not thread.is_alive()
        mover.close()


def test_it_yields_each_batch_once_committed_and_ends_when_drained(pair: Pair) -> None:
    # given three ticks, of which each is a batch, and an event without a tick
    first = pair.subscription()
    ticks = [pair.produce(10, label=str(n)) for n in range(3)]
    insert_event(pair.source, pair.queue, "t", "without a tick")
    assert first is not None
    # when
    with Mover(**arguments(pair, max_batch_events=1)) as mover:
        seen = []
        for batch in mover:
            seen.append((batch.ticks.last, pair.position, pair.target_events.count()))
            assert (batch.source, batch.events, batch.quarantined) == (pair.consumer, 10, ())
            assert batch.bytes > 10 * 100
            assert batch.seconds > 0
            assert batch.ticks == ([first[0], *ticks][len(seen) - 1], ticks[len(seen) - 1])
        # then each was committed with its position before it was yielded
        assert seen == [(tick, tick, 10 * n) for n, tick in enumerate(ticks, 1)]
        # and all are finished on the source, before it is closed
        assert pair.subscription() == (ticks[-1], None, None)
        # and it can be iterated again
        pair.tick()
        assert [batch.events for batch in mover] == [1]
    pair.assert_identical()
    with pytest.raises(FrozenInstanceError):
        batch.events = 0  # type: ignore[misc]


def test_one_step_at_a_time_by_the_config_file_and_arguments_that_replace_it(pair: Pair) -> None:
    pair.produce(10)
    pair.produce(10)
    path = pair.ini(max_batch_events=1, on_bad_event="stop")
    # when the loop is left with a batch that the source does not know to be done
    with Mover(path) as mover:
        for batch in mover:
            assert batch.events == 10
            break
    # then closing has finished it
    assert pair.subscription() == (pair.position, None, None)
    with Mover(str(path), job_name="100%", max_batch_events=50) as mover:
        assert (mover.source, mover.consumer) == ("100%", pair.consumer)
        assert repr(mover) == f"<Mover 100%: {pair.queue} to {pair.target_queue}>"
        moved = mover.move_batch()
        assert moved is not None
        assert moved.events == 10
        assert mover.move_batch() is None
        assert not mover.stopped
    with pytest.raises(StoppingError, match="is closed"):
        mover.move_batch()
    pair.assert_identical()


def test_a_source_of_a_file_with_several(pair: Pair) -> None:
    pair.produce(5)
    path = pair.ini(consumer_name="%(source)s")
    sections = f"[source:a]\nconsumer_name = {pair.consumer}\n[source:b]\nqueue_name = other\n"
    path.write_text(path.read_text() + sections)
    with pytest.raises(
        ConfigError, match=r"has several sources: a, b; remedy: Mover\(CONFIG, NAME"
    ):
        Mover(path)
    with pytest.raises(queue_mover.UnknownSourceError, match=r"no such source.*a, b"):
        Mover(path, "c")
    with Mover(path, "a") as mover:
        assert [(batch.source, batch.events) for batch in mover] == [("a", 5)]


def test_it_follows_until_stopped_by_a_signal_handler_and_finishes(pair: Pair) -> None:
    """The handler runs in the thread that moves, whatever it is about to do."""
    mover = Mover(**arguments(pair, follow=True))
    before = signal.signal(signal.SIGALRM, lambda *_: mover.stop())
    try:
        count = 0
        with mover:
            pair.produce(10)
            for batch in mover:
                count += batch.events
                if count < 30:
                    pair.produce(10)
                else:
                    signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert mover.stopped
        assert not mover.sleep(60)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert count == 30
    assert pair.subscription() == (pair.position, None, None)
    pair.assert_identical()


def test_announced_ticks_wake_it_and_a_stop_does(pair: Pair) -> None:
    """Given a loop_delay in which the test would fail."""
    install_pgq_ext(pair.source)
    announce_ticks(pair.source)
    mover = Mover(**arguments(pair, follow=True, loop_delay=60))
    try:
        with iterating(mover):
            for number in range(1, 4):
                pair.produce(10)
                pair.wait_for(10 * number)
    finally:
        pair.source.execute("drop trigger queue_mover_announce on pgq.tick")
    pair.assert_identical()


def test_a_timeout_waits_for_ticks_but_not_for_ever(pair: Pair) -> None:
    with Mover(**arguments(pair, timeout=1.5)) as mover:
        produced = threading.Timer(0.1, pair.produce, [10])
        produced.start()
        # when none is waiting yet
        seen = [batch.events for batch in mover]
        produced.join()
        # then it has waited, and has ended
        assert seen == [10]
        assert not mover.stopped


def test_stopped_from_another_thread_it_ends_the_batch_in_progress(pair: Pair) -> None:
    pair.produce(10)
    mover = Mover(**arguments(pair, follow=True))
    with (
        hold_table(pair.source_db, pair.source_events.table) as lock,
        iterating(mover) as (batches, errors),
    ):
        wait_until_blocked(pair.source, pair.consumer)
        mover.stop()
        lock.rollback()
        wait_until(lambda: batches or errors, 10, "its end")
    assert [batch.events for batch in batches] == [10]
    assert pair.subscription() == (pair.position, None, None)


def test_abandoned_it_rolls_back_and_the_next_one_moves_the_batch(pair: Pair) -> None:
    pair.produce(10)
    mover = Mover(**arguments(pair))
    with (
        hold_table(pair.source_db, pair.source_events.table),
        iterating(mover) as (batches, errors),
    ):
        wait_until_blocked(pair.source, pair.consumer)
        mover.abandon()
        wait_until(lambda: batches or errors, 10, "its end")
    assert batches == []
    assert [type(error) for error in errors] == [StoppingError]
    assert pair.target_events.count() == 0
    with Mover(**arguments(pair)) as other:
        assert [batch.events for batch in other] == [10]
    pair.assert_identical()


def test_beside_another_mover_it_waits_or_says_that_nothing_is_ready(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.produce(10)
    caplog.set_level(logging.INFO, "queue_mover")
    mover = Mover(**arguments(pair))
    with hold_target(pair):
        assert mover.move_batch() is None
        assert mover.move_batch() is None
    assert caplog.text.count("standing by: the consumer's lock is held by pid") == 1
    with mover:
        assert [batch.events for batch in mover] == [10]


ERRORS: dict[str, tuple[str, type[Exception], str]] = {
    "no queue": ("dst_queue_name", NotReadyError, 'no queue "nowhere"; remedy: pgqadm.py'),
    "no server": ("dst_db", UnavailableError, "target database not available"),
}


@pytest.mark.parametrize(("key", "error", "text"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_work_is_raised(
    pair: Pair, key: str, error: type[Exception], text: str
) -> None:
    wrong = {"dst_queue_name": "nowhere", "dst_db": "host=127.0.0.1 port=1 password=secret"}
    with Mover(**arguments(pair, **{key: wrong[key]})) as mover:
        with pytest.raises(error, match=text) as raised:
            mover.prepare()
        assert "secret" not in str(raised.value)


def test_after_an_error_it_continues_from_the_state_of_the_databases(pair: Pair) -> None:
    pair.produce(10)
    with Mover(**arguments(pair)) as mover:
        assert mover.move_batch() is not None
        # given a position that is neither end of the next batch
        pair.produce(10)
        position = pair.position
        value(pair.target, "select pgq_ext.set_last_tick(%s, 1)", pair.consumer)
        with pytest.raises(LostPositionError, match="Lost position"):
            list(mover)
        value(pair.target, "select pgq_ext.set_last_tick(%s, %s)", pair.consumer, position)
        # and connections that end
        for each in (pair.source, pair.target):
            each.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = %s and pid <> pg_backend_pid()",
                [pair.consumer],
            )
        assert sum(batch.events for batch in retried(mover)) == 10
    pair.assert_identical()


def retried(mover: Mover) -> list[MovedBatch]:
    """All that is waiting; connections may be lost meanwhile."""
    for _ in range(5):
        try:
            return list(mover)
        except UnavailableError:
            time.sleep(0.05)
    raise AssertionError("it does not recover")


def test_a_consumer_that_was_unregistered_on_purpose(pair: Pair) -> None:
    with Mover(**arguments(pair)) as mover:
        list(mover)
        pair.command("--unregister").check()
        with pytest.raises(UnregisteredError, match="was unregistered from queue"):
            mover.move_batch()
    assert pair.subscription() is None


def test_a_quarantined_event_is_named(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    pair.insert(*[Event("t", str(n)) for n in range(3)])
    table = qualified(pair.target_events.table)
    pair.target.execute(sql.SQL("alter table {} add check (ev_data <> '1')").format(table))
    with Mover(**arguments(pair, on_bad_event="quarantine")) as mover:
        (batch,) = list(mover)
    assert (batch.events, len(batch.quarantined)) == (2, 1)
    assert "quarantined: " in caplog.text
