"""A batch that goes to several target queues is one transaction, whatever happens to it."""

from collections.abc import Iterator

import pytest

from testbed.process_usage import measure
from testbed.processes import script, wait_until
from testbed.queues import locked_queue, produce
from tests.moving.holding import end_backends, wait_until_blocked
from tests.moving.pair import Pair
from tests.moving.splitter import SPLIT, Splitter, numbered, transactions

TABLES = ("public.t0", "public.t1", "public.t2")
"""What `produce` puts into ev_extra1, in turn."""


@pytest.fixture
def splitter(pair: Pair) -> Iterator[Splitter]:
    """Three target queues in databases of their own; the consumer is registered."""
    made = Splitter(pair, *TABLES)
    made.register()
    yield made
    made.close()


def test_killed_between_two_queues_of_a_batch(splitter: Splitter) -> None:
    pair = splitter.pair
    before = pair.position
    # given a mover that has written to two queues, and waits for the third
    with (
        splitter.start() as mover,
        pair.target_db.connect() as holder,
        locked_queue(holder, "public.t2"),
    ):
        pair.produce(3000)
        wait_until_blocked(pair.target)
        # when it is killed
        mover.kill()
        end_backends(pair.target)
    # then no queue has any of it
    assert splitter.count() == 0
    assert pair.position == before
    # and the next one moves all of it, in one transaction
    splitter.command().check()
    splitter.assert_identical()
    assert splitter.count() == 3000
    assert transactions(splitter) == 1


def test_a_connection_that_is_lost_between_two_queues(splitter: Splitter) -> None:
    pair = splitter.pair
    with splitter.start(exception_sleep=0.1) as mover:
        with pair.target_db.connect() as holder, locked_queue(holder, "public.t2"):
            pair.produce(3000)
            wait_until_blocked(pair.target)
            # when the server ends the session of the mover
            end_backends(pair.target)
        # then it tries again by itself
        wait_until(lambda: splitter.count() == 3000, 30, "the events")
        assert mover.stop() == 0
    splitter.assert_identical()
    assert transactions(splitter) == 1


def test_a_position_that_cannot_be_set_leaves_no_queue_written(splitter: Splitter) -> None:
    pair = splitter.pair
    pair.target.execute(
        "create function public.refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'not now' using errcode = '57014'; end $$;"
        "create trigger refuse before insert or update on pgq_ext.completed_tick"
        " for each row execute function public.refuse()"
    )
    pair.insert(*numbered(9, [*TABLES, None]))
    settings = {"on_bad_event": "quarantine"}
    assert "not now" in splitter.command(**settings).stderr
    assert (splitter.count(), splitter.quarantined()) == (0, [])
    pair.target.execute("drop trigger refuse on pgq_ext.completed_tick")
    splitter.command(**settings).check()
    splitter.assert_identical()
    assert (splitter.count(), len(splitter.quarantined())) == (7, 2)


def test_two_movers_under_load(splitter: Splitter) -> None:
    pair = splitter.pair
    options = {"loop_delay": 0.001, "on_bad_event": "quarantine"}
    with splitter.start("first", **options) as first, splitter.start("second", **options) as other:
        # when events come, some of which name no queue
        for number in range(40):
            pair.produce(90)
            if number % 10 == 0:
                pair.insert(*numbered(3, ["nowhere", "public.t0"]))
        wait_until(lambda: splitter.count() == 40 * 90 + 4, 60, "the events")
        assert (first.stop(), other.stop()) == (0, 0)
        assert "Lost position" not in first.stderr + other.stderr
        assert "Traceback" not in first.stderr + other.stderr
    # then each event is in its queue, once, or in quarantine
    splitter.assert_identical()
    assert len(splitter.quarantined()) == 8


def test_memory_does_not_grow_with_the_batch(splitter: Splitter) -> None:
    """Compared with a mover of the same events into one queue."""
    pair = splitter.pair
    # given one batch of 200,000 events, and some large ones, for a mover that splits and one that
    # does not
    plain = pair.ini("plain", max_batch_events=0, loop_delay=0, consumer_name="plain")
    split = pair.ini("split", max_batch_events=0, loop_delay=0, **SPLIT)
    measure([script("queue_mover3"), "--register", str(plain)])
    produce(pair.source, pair.queue, 200_000)
    pair.insert(*numbered(4, TABLES, "x" * 10_000_000))
    # when
    usual = measure([script("queue_mover3"), str(plain)]).memory
    ours = measure([script("queue_mover3"), str(split)]).memory
    # then there is room for what is collected, and no more
    assert pair.target_events.count() == 200_004
    splitter.assert_identical()
    assert splitter.count() == 200_004
    assert transactions(splitter) == 1
    assert ours < usual + 14, (ours, usual)
