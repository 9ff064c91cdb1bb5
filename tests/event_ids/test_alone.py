"""Nobody else may write to a queue that has the event IDs of a source; its consumers may."""

import threading
from collections.abc import Callable

import pytest

from queue_mover.errors import NotReadyError, UnavailableError
from testbed.database import value
from testbed.queues import create_queue, tick
from tests.event_ids.keeping import Keeping, second_source


def test_an_event_of_a_local_producer_stops_the_mover(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(5)
    keeping.move()
    # given a local event, with the ID that the source's next event gets
    local = keeping.insert_on_target("local")
    tick = pair.position
    pair.produce(5)
    # when the next batch is moved, then it is refused as a whole, and stays refused
    mover = pair.mover(keep_event_id=True)
    for _ in range(2):
        with pytest.raises(NotReadyError, match=rf"event {local} of queue .* somebody else"):
            mover.move_batch()
        assert (pair.position, pair.target_events.count()) == (tick, 6)
    # and the remedy is to stop the producer, and to go on once the IDs are free
    pair.target.execute("delete from queue_mover.event_ids where queue = %s", [pair.target_queue])
    with pytest.raises(NotReadyError, match=rf"IDs up to {local}, .* from {local}: they would"):
        mover.move_batch()
    pair.target.execute("delete from pgq.event_template where ev_type = 'local'")
    keeping.move()
    pair.assert_identical()


def test_one_that_writes_while_the_mover_works(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(5)
    keeping.move()
    pair.produce(5)
    # given a mover that has checked everything when a local producer writes
    mover = pair.mover(lambda: keeping.insert_on_target("local"), keep_event_id=True)
    # then its batch is rolled back, sequence and all, and the line names the event
    with pytest.raises(NotReadyError, match=r"event \d+ of"):
        mover.move_batch()
    assert pair.target_events.count() == 6


def test_an_open_transaction_of_a_local_producer_is_waited_for(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.target.execute("alter function queue_mover.keep_event_ids set lock_timeout = '100ms'")
    pair.produce(5)
    keeping.move()
    pair.produce(5)
    with pair.target_db.connect() as producer:
        with producer.transaction(force_rollback=True):
            value(producer, "select pgq.insert_event(%s, 'l', 'l')", pair.target_queue)
            with pytest.raises(UnavailableError, match="open transaction has drawn event IDs"):
                keeping.move()
        # when it has rolled back, then nothing is in the way
        keeping.move()
    pair.assert_identical()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected


def force_tick(keeping: Keeping) -> None:
    """What makes PgQ's sequence leap, without an event."""
    tick(keeping.pair.target, keeping.pair.target_queue)


def draw(keeping: Keeping) -> None:
    """What a producer that rolled back leaves."""
    with keeping.pair.target.transaction(force_rollback=True):
        keeping.insert_on_target("rolled back")


def retry(keeping: Keeping) -> None:
    """What PgQ does with an event that a consumer of the target wants again."""
    pair = keeping.pair
    tick(pair.target, pair.target_queue)
    arguments = [pair.target_queue, "again"]
    batch = None
    while batch is None or not value(
        pair.target, "select count(*) from pgq.get_batch_events(%s)", batch
    ):
        if batch is not None:
            value(pair.target, "select pgq.finish_batch(%s)", batch)
        batch = value(pair.target, "select pgq.next_batch(%s, %s)", *arguments)
    event = value(pair.target, "select min(ev_id) from pgq.get_batch_events(%s)", batch)
    value(pair.target, "select pgq.event_retry(%s, %s, 0)", batch, event)
    value(pair.target, "select pgq.finish_batch(%s)", batch)
    assert value(pair.target, "select pgq.maint_retry_events()") == 1


@pytest.mark.parametrize("disturb", [force_tick, draw, retry])
def test_what_is_no_other_writer(keeping: Keeping, disturb: Callable[[Keeping], None]) -> None:
    pair = keeping.pair
    value(pair.target, "select pgq.register_consumer(%s, 'again')", pair.target_queue)
    # given a target sequence that others move, between any two batches
    for _ in range(3):
        pair.produce(4)
        keeping.move()
        assert keeping.tick_target()
        disturb(keeping)
    pair.produce(4)
    keeping.move()
    # then every event has its ID, and the ticker sees each batch
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected


def test_no_number_is_given_out_twice(keeping: Keeping) -> None:
    pair = keeping.pair
    drawn: list[int] = []
    stop = threading.Event()

    def draw_on() -> None:
        with pair.target_db.connect() as conn:
            while not stop.is_set():
                sequence = "select nextval(queue_event_seq) from pgq.queue where queue_name = %s"
                drawn.append(value(conn, sequence, pair.target_queue))

    # given somebody who draws numbers all the time, and never commits an event
    drawing = threading.Thread(target=draw_on)
    drawing.start()
    try:
        # when batches are moved meanwhile, some by a step, some by a leap
        for number in range(60):
            pair.produce(2)
            if number % 3 == 0:
                tick(pair.source, pair.queue)
        keeping.move(max_events=0)
    finally:
        stop.set()
        drawing.join()
    # then the sequence has never gone back
    assert drawn == sorted(set(drawn))
    assert len(drawn) > 60
    keeping.tick_target()
    assert keeping.drain() == keeping.expected


def test_a_second_source_is_refused_before_anything_is_written(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(5)
    keeping.move()
    other = second_source(keeping)
    # when another source is moved to the same queue
    result = other.command(keep_event_id=1, loop_delay=0)
    # then it is refused in one line, and not registered
    assert result.returncode == 1
    assert f'has the event IDs of another source, consumer "{pair.consumer}"' in result.stderr
    assert "remedy: set another dst_queue_name" in result.stderr
    assert "Traceback" not in result.stderr
    assert other.subscription() is None
    assert other.position is None
    other.close()


def test_two_that_start_at_the_same_moment(keeping: Keeping) -> None:
    first = keeping.pair
    create_queue(first.target, "both")
    second = second_source(keeping)
    for pair in (first, second):
        pair.target_queue = "both"
        pair.register()
        pair.produce(3)
    # given two movers that find the queue empty; when the first one commits before the other
    mover = second.mover(lambda: first.move(keep_event_id=True), keep_event_id=True)
    # then the other one is refused, and stays so
    for _ in range(2):
        with pytest.raises(NotReadyError, match=f'consumer "{first.consumer}"'):
            mover.move_batch()
    first.assert_identical()
    second.close()


def test_a_source_that_has_left(keeping: Keeping) -> None:
    first = keeping.pair
    first.produce(5)
    keeping.move()
    # given a source that was unregistered for good
    first.command("--unregister", keep_event_id=1).check()
    second = second_source(keeping)
    second.register()
    second.produce(3)
    # when its successor uses lower IDs, then it is refused
    with pytest.raises(NotReadyError, match="IDs up to 6, and those of the source continue from 2"):
        second.move(keep_event_id=True)
    # when it uses higher ones, it has the queue
    value(second.source, "select pgq.force_tick(%s)", second.queue)
    second.tick()
    second.move()
    second.produce(3)
    second.move(keep_event_id=True)
    second.close()


def test_a_source_that_uses_its_ids_again(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(20)
    keeping.move()
    # given a tick with a lower event number, as of two tickers at once, then it is moved
    tick = pair.produce(5)
    pair.source.execute("update pgq.tick set tick_event_seq = 3 where tick_id = %s", [tick])
    assert [outcome.count for outcome in keeping.move(max_events=0)] == [5]
    # given a sequence that has gone back on the source
    pair.produce(5)
    keeping.move()
    pair.source.execute(
        "select setval(queue_event_seq, 1) from pgq.queue where queue_name = %s", [pair.queue]
    )
    pair.produce(5)
    # then no ID comes twice
    with pytest.raises(NotReadyError, match=r"has gone back from \d+ to \d+"):
        keeping.move()
    assert pair.target_events.count() == 30
    # and without the source's IDs the events come
    assert [outcome.count for outcome in keeping.move(keep_event_id=False)] == [5]
