"""Switching keep_event_id on and off, and positions that an operator changes: no ID comes twice."""

import pytest

from queue_mover.errors import NotReadyError
from testbed.database import value
from testbed.events import read_events
from testbed.queues import create_queue, insert_event, tick, truncate_events
from tests.event_ids.keeping import Keeping
from tests.moving.pair import TICKS_AT_WILL


def target_ids(keeping: Keeping) -> list[int]:
    """All IDs on the target, in order."""
    pair = keeping.pair
    return [event.id or 0 for event in read_events(pair.target_db, pair.target_queue)]


def leap(keeping: Keeping) -> None:
    """Let the source's IDs be above those that the target has assigned."""
    tick(keeping.pair.source, keeping.pair.queue)


def test_on_for_a_queue_whose_own_ids_are_lower(keeping: Keeping) -> None:
    pair = keeping.pair
    # given a target with events that it has numbered itself, and a source that is ahead
    leap(keeping)
    pair.produce(5)
    pair.move()
    assert target_ids(keeping) == [1, 2, 3, 4, 5]
    # when it is switched on, then the following ones have the IDs of the source
    pair.produce(5)
    keeping.move()
    assert target_ids(keeping)[5:] == [number for number, _ in keeping.expected[5:]]
    assert keeping.tick_target()
    assert [each for _, each in keeping.drain()] == [each for _, each in keeping.expected]


def test_on_for_a_queue_whose_own_ids_are_higher(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(1)
    pair.move()
    tick(pair.target, pair.target_queue)
    keeping.insert_on_target("local")
    pair.produce(5)
    # when it is switched on, then it is refused before anything happens
    before = (pair.position, pair.subscription())
    result = pair.command(keep_event_id=1, loop_delay=0)
    assert result.returncode == 1
    assert "those of the source continue from 3: they would collide; remedy: set" in result.stderr
    assert (pair.position, pair.subscription()) == before
    # and once those events are gone, it works, and the ticker sees the lower IDs
    truncate_events(pair.target, pair.target_queue)
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected[1:]


def test_a_late_event_with_an_id_that_the_target_has_assigned(keeping: Keeping) -> None:
    pair = keeping.pair
    # given a transaction on the source whose event, with a low ID, waits for its commit
    with pair.source_db.connect() as slow, slow.transaction():
        late = insert_event(slow, pair.queue, "t", "late")
        # while the target numbers events itself, and is switched to the source's IDs
        pair.produce(5)
        pair.move()
        pair.produce(5)
        leap(keeping)
        keeping.move()
        before = (pair.position, target_ids(keeping))
        assert late in before[1]
    pair.tick()
    # then it is refused, since its ID would come twice
    with pytest.raises(NotReadyError, match=f"already has an event {late}; remedy"):
        keeping.move()
    assert (pair.position, target_ids(keeping)) == before


def test_off_and_on_again(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(5)
    keeping.move()
    # when it is switched off, then the target continues with IDs of its own
    pair.produce(5, label="own")
    pair.move()
    assert len(set(target_ids(keeping))) == 10
    # when it is switched on again, then there is a way only above those
    leap(keeping)
    pair.produce(5)
    keeping.move()
    assert len(set(target_ids(keeping))) == 15
    assert target_ids(keeping)[10:] == [number for number, _ in keeping.expected[10:]]
    pair.assert_identical()


def test_reset_would_repeat_ids(keeping: Keeping) -> None:
    pair = keeping.pair
    first = pair.position
    pair.produce(5)
    keeping.move()
    # given a consumer that an operator has sent back to events which the target has
    value(
        pair.source, "select pgq.register_consumer_at(%s, %s, %s)", pair.queue, pair.consumer, first
    )
    pair.command("--reset", keep_event_id=1).check()
    # then it is refused
    with pytest.raises(NotReadyError, match="IDs up to 6, and those of the source continue from 2"):
        keeping.move()
    # but a reset without repetition is harmless
    value(
        pair.source,
        "select pgq.register_consumer_at(%s, %s, %s)",
        pair.queue,
        pair.consumer,
        pair.tick(),
    )
    pair.produce(5)
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected


def test_a_source_that_was_accepted(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(5)
    keeping.move()
    # given a source that counts as another one, as after an upgrade, and is accepted
    pair.target.execute(
        "update queue_mover.origin set source = 'before' where consumer = %s", [pair.consumer]
    )
    pair.target.execute(
        "update queue_mover.event_ids set source = 'before' where consumer = %s", [pair.consumer]
    )
    pair.produce(5)
    pair.command("--accept-source", keep_event_id=1).check()
    # then it continues, with the IDs
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected


def test_a_source_that_was_recreated(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(50)
    keeping.move()
    before = target_ids(keeping)
    # given a source whose IDs begin again
    value(pair.source, "select pgq.drop_queue(%s, true)", pair.queue)
    create_queue(pair.source, pair.queue, **TICKS_AT_WILL)
    pair.target.execute("select pgq_ext.set_last_tick(%s, null)", [pair.consumer])
    # then its mover does not even register
    with pytest.raises(
        NotReadyError, match=r"IDs up to 51, .* continue from 2: they would collide"
    ):
        keeping.move()
    assert pair.subscription() is None
    # and one that finds the lower IDs too late refuses as well
    value(pair.source, "select pgq.register_consumer(%s, %s)", pair.queue, pair.consumer)
    tick(pair.source, pair.queue)
    pair.produce(5)
    value(
        pair.source,
        "select pgq.insert_event_raw(%s, 9, now(), null, null, 't', 'low', null, null, null, null)",
        pair.queue,
    )
    value(
        pair.source,
        "select pgq.register_consumer_at(%s, %s, %s)",
        pair.queue,
        pair.consumer,
        pair.tick() - 1,
    )
    with pytest.raises(NotReadyError, match="already has an event 9; remedy"):
        keeping.move()
    assert target_ids(keeping) == before


def test_a_consumer_that_takes_over(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(5)
    keeping.move()
    pair.produce(5)
    # when another consumer takes over, then it continues with the IDs
    old = pair.consumer
    pair.consumer += "_new"
    pair.command("--take-over", old, keep_event_id=1).check()
    keeping.move()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected
    assert value(
        pair.target,
        "select own_ids = 0 and consumer = %s from queue_mover.event_ids where queue = %s",
        pair.consumer,
        pair.target_queue,
    )
