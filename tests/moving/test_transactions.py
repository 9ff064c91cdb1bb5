"""Events come by the tick that first sees their transaction; retried ones to who wants them."""

from testbed.database import value
from testbed.queues import insert_event
from tests.moving.pair import Pair


def test_transactions_open_across_ticks(registered: Pair) -> None:
    # given transactions that stay open while others commit and ticks go by
    first, second = registered.source_db.connect(), registered.source_db.connect()
    first.autocommit = second.autocommit = False
    with first, second:
        insert_event(first, registered.queue, "t", "first, early")
        registered.produce(5, label="a")
        insert_event(second, registered.queue, "t", "second")
        registered.move()
        registered.produce(5, label="b")
        second.commit()
        insert_event(first, registered.queue, "t", "first, late")
        registered.tick()
        # when batches are moved, then what is not committed is not there
        registered.move()
        assert registered.target_events.count() == 11
        registered.produce(5, label="c")
        first.commit()
    # and all of it, once it is committed
    registered.tick()
    registered.move()
    assert registered.target_events.count() == 18
    registered.assert_identical()


def test_one_batch_over_a_transaction_that_spans_its_ticks(registered: Pair) -> None:
    with registered.source_db.connect() as other:
        other.autocommit = False
        insert_event(other, registered.queue, "t", "early id")
        for _ in range(150):
            # so many transactions in between that PgQ lists ours by its id
            registered.produce(1)
        other.commit()
    registered.tick()
    registered.move(max_events=100)
    assert registered.target_events.count() == 151
    registered.assert_identical()


def test_what_is_rolled_back_never_arrives(registered: Pair) -> None:
    with registered.source_db.connect() as other:
        other.autocommit = False
        insert_event(other, registered.queue, "t", "rolled back")
        registered.produce(3)
        other.execute("savepoint here")
        insert_event(other, registered.queue, "t", "rolled back, too")
        other.rollback()
    registered.produce(3)
    registered.move()
    assert registered.target_events.count() == 6
    registered.assert_identical()


def retry(pair: Pair, consumer: str) -> None:
    """The consumer takes the waiting batch and wants its first event again; it comes at once."""
    conn = pair.source
    batch = value(conn, "select pgq.next_batch(%s, %s)", pair.queue, consumer)
    event = value(conn, "select min(ev_id) from pgq.get_batch_events(%s)", batch)
    conn.execute("select pgq.event_retry(%s, %s, 0)", [batch, event])
    assert value(conn, "select pgq.maint_retry_events()") == 1
    pair.tick()


def test_what_another_consumer_retries_does_not_come_again(registered: Pair) -> None:
    registered.source.execute("select pgq.register_consumer(%s, 'other')", [registered.queue])
    registered.produce(3)
    retry(registered, "other")
    registered.move()
    assert registered.source_events.count() == 4
    assert registered.target_events.count() == 3


def test_what_somebody_retries_in_our_name_comes_again(registered: Pair) -> None:
    registered.produce(3)
    retry(registered, registered.consumer)
    registered.move()
    assert registered.target_events.count() == 4
    registered.assert_identical()
