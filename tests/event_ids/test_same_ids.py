"""keep_event_id = 1: consumers of the target see the IDs of the source."""

import pytest

from testbed.database import value
from testbed.queues import insert_event, tick
from tests.event_ids.keeping import Keeping


def test_consumers_of_the_target_see_the_same_ids(keeping: Keeping) -> None:
    pair = keeping.pair
    # given numbers that a rolled-back producer has used up, a forced tick, which leaps by thousands,
    # a leap that is too long for drawing number by number, and batches of one event and many
    steps = (
        lambda: pair.produce(10),
        lambda: value(pair.source, "select nextval(queue_event_seq) from pgq.queue limit 1"),
        lambda: pair.produce(1),
        lambda: tick(pair.source, pair.queue),
        lambda: pair.produce(700),
        lambda: value(
            pair.source,
            "select setval(queue_event_seq, 5000000000) from pgq.queue where queue_name = %s",
            pair.queue,
        ),
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
