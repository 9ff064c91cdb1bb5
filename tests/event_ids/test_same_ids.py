"""keep_event_id = 1: consumers of the target see the IDs of the source."""

from psycopg import sql

from testbed.database import value
from testbed.queues import current_table, insert_event, tick
from tests.event_ids.keeping import Keeping


def test_consumers_of_the_target_see_the_same_ids(keeping: Keeping) -> None:
    pair = keeping.pair

    def roll_back() -> None:
        with pair.source.transaction(force_rollback=True):
            insert_event(pair.source, pair.queue, "t", "never committed")

    def leap() -> None:
        change = "select setval(queue_event_seq, 5000000000) from pgq.queue where queue_name = %s"
        value(pair.source, change, pair.queue)

    # given numbers that a rolled-back producer has used up, a forced tick, which leaps by
    # thousands, a leap of billions, and batches of one event and of many
    steps = (
        lambda: pair.produce(10),
        roll_back,
        lambda: pair.produce(1),
        lambda: tick(pair.source, pair.queue),
        lambda: pair.produce(700),
        leap,
        lambda: pair.produce(3),
        lambda: pair.produce(12000),
    )
    for step in steps:
        step()
        # when each is moved, then the ticker of the target ticks, unless there was no event
        moved = sum(outcome.count for outcome in keeping.move())
        assert keeping.tick_target() is (moved > 0)
    # then the consumer has got the same events with the same IDs in the same order
    assert keeping.drain() == keeping.expected
    assert keeping.expected[-1][0] == keeping.sequence
    pair.assert_identical()


def test_a_filtered_or_empty_batch_advances_no_more_than_the_position(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(9)
    keeping.move()
    keeping.tick_target()
    before = keeping.sequence
    # given a batch without events, and one whose events are of other tables
    pair.tick()
    pair.produce(30)
    # when both are moved, then the target's ticker sees nothing new
    outcomes = keeping.move(tables=["public.none"], max_events=0)
    assert [outcome.count for outcome in outcomes] == [0, 0]
    assert not keeping.tick_target()
    assert keeping.sequence == before
    # and the following events come with their IDs
    last = pair.produce(30, label="following")
    keeping.move(tables=["public.t1"])
    assert keeping.tick_target()
    got = keeping.drain()
    assert got == [
        each
        for each in keeping.expected
        if each in got[:9]
        or (each[1].extra1 == "public.t1" and "following" in (each[1].data or ""))
    ]
    assert len(got) == 9 + 10
    assert pair.position == last


def test_an_event_with_a_lower_id_than_one_before(keeping: Keeping) -> None:
    pair = keeping.pair
    # given a transaction on the source that takes its IDs early and commits late
    with pair.source_db.connect() as slow, slow.transaction():
        insert_event(slow, pair.queue, "t", "early and late")
        pair.produce(5)
        keeping.move()
        assert keeping.tick_target()
    pair.tick()
    # when its event is moved, whose ID is none to advance the sequence to
    keeping.move()
    # then the target's ticker sees it all the same, and the consumer gets it with its ID
    assert keeping.tick_target()
    got = keeping.drain()
    assert sorted(got, key=lambda each: each[0] or 0) == keeping.expected
    assert got[-1] == keeping.expected[0]
    # and those that follow
    pair.produce(5)
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain()[6:] == keeping.expected[6:]


def test_the_very_first_event(keeping: Keeping) -> None:
    pair = keeping.pair
    # given a sequence of which PgQ's ticker overlooks the first number, on either side
    change = "select setval(queue_event_seq, 1, false) from pgq.queue where queue_name = %s"
    value(pair.source, change, pair.queue)
    value(pair.target, change, pair.target_queue)
    # when the event of that number is moved, then the target's ticker sees it
    assert insert_event(pair.source, pair.queue, "t", "first") == 1
    pair.tick()
    keeping.move()
    assert keeping.tick_target()
    pair.produce(3)
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected


def test_events_larger_than_a_block(keeping: Keeping) -> None:
    pair = keeping.pair
    for size in (200_000, 10, 70_000, 65_000):
        insert_event(pair.source, pair.queue, "t", "x" * size)
    pair.tick()
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected
    assert keeping.expected[-1][0] == keeping.sequence


def test_quarantine_keeps_the_ids_of_the_others(keeping: Keeping) -> None:
    pair = keeping.pair
    # given a batch with an event in its midst, and one at its end, that the target rejects
    table = current_table(pair.target, pair.target_queue)
    pair.target.execute(
        sql.SQL("alter table {} add constraint no_x check (ev_type <> 'x')").format(table)
    )
    for ev_type in ("a", "x", "b", "c", "x"):
        insert_event(pair.source, pair.queue, ev_type, "data")
    pair.tick()
    # when it is moved
    pair.command(keep_event_id=1, on_bad_event="quarantine", loop_delay=0).check()
    # then the others have their IDs, and so have those in quarantine
    assert keeping.tick_target()
    good = [each for each in keeping.expected if each[1].type != "x"]
    bad = [each for each in keeping.expected if each[1].type == "x"]
    assert keeping.drain() == good
    assert keeping.sequence == good[-1][0]
    held = pair.target.execute(
        "select ev_id from queue_mover.quarantine where consumer = %s order by 1", [pair.consumer]
    )
    assert [number for (number,) in held] == [number for number, _ in bad]
    # and the next batch is usual again
    pair.produce(3)
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain()[3:] == keeping.expected[5:]
