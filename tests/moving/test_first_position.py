"""From registration on the target has a position: a rename before the first batch loses nothing."""

import logging
from collections.abc import Callable

import pytest

from queue_mover.model import Position, Result, Route
from queue_mover.pgq import target
from testbed.database import value
from testbed.log_lines import news
from tests.moving.holding import hold_target
from tests.moving.pair import Pair

Register = Callable[[Pair], object]


def start(pair: Pair) -> None:
    """The first start."""
    pair.command(loop_delay=0).check()


def register(pair: Pair) -> None:
    """The switch."""
    pair.command("--register").check()


def register_and_start(pair: Pair) -> None:
    """Somebody registers the consumer with SQL, then its mover starts."""
    register_by_sql(pair)
    start(pair)


def register_by_sql(pair: Pair) -> None:
    value(pair.source, "select pgq.register_consumer(%s, %s)", pair.queue, pair.consumer)


def forget_origins(pair: Pair) -> None:
    pair.target.execute("set client_min_messages = warning; drop schema queue_mover cascade")


def origin(pair: Pair) -> tuple[str | None, int | None, str | None]:
    """Where the position on the target came from: source, tick and mark."""
    row = pair.target.execute(
        "select * from queue_mover.get_origin(%s)", [pair.consumer]
    ).fetchone()
    assert row is not None
    return row


WAYS = [start, register, register_and_start]


def rename(pair: Pair) -> str:
    """The consumer gets another name. Returns the old one."""
    old, pair.consumer = pair.consumer, f"{pair.consumer}_renamed"
    return old


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_registration_sets_the_position(queues: Pair, way: Register) -> None:
    queues.tick()
    way(queues)
    # then the target has the tick of the registration, with all that a batch would record
    subscription = queues.subscription()
    assert subscription is not None
    assert (queues.position, None) == subscription[:2]
    first = origin(queues)
    assert first[1] == queues.position
    queues.produce(10)
    queues.move()
    queues.assert_identical()
    assert origin(queues)[0] == first[0]


def test_the_mark_is_that_of_the_tick(queues: Pair) -> None:
    register(queues)
    queues.produce(3)
    # given another tick of the same number
    queues.source.execute(
        "update pgq.tick set tick_time = tick_time - interval '1 second'"
        " where tick_id = %s and tick_queue ="
        " (select queue_id from pgq.queue where queue_name = %s)",
        [queues.position, queues.queue],
    )
    # then it is recognised at the first batch
    result = queues.command(loop_delay=0)
    assert result.returncode == 1
    assert "is not the tick" in result.stderr


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_renamed_before_the_first_batch(queues: Pair, way: Register) -> None:
    way(queues)
    queues.produce(10)
    old = rename(queues)
    # when it starts under another name, then it refuses, and names the old one
    result = queues.command(loop_delay=0)
    assert result.returncode == 1
    assert f'"{old}" has, up to tick ' in result.stderr
    assert "10 events waiting" in result.stderr
    # and nothing is lost when the new one takes over
    queues.command("--take-over", old).check()
    queues.command(loop_delay=0).check()
    queues.assert_identical()


def test_without_origins(pair: Pair) -> None:
    forget_origins(pair)
    start(pair)
    assert pair.subscription() == (pair.position, None, None)
    pair.produce(10)
    rename(pair)
    assert "10 events waiting" in pair.command(loop_delay=0).stderr


def test_whoever_takes_over_has_a_position(registered: Pair) -> None:
    # given an old consumer without one
    registered.command("--reset").check()
    registered.produce(10)
    old = rename(registered)
    registered.command("--take-over", old).check()
    assert registered.subscription() == (registered.position, None, None)
    registered.move()
    registered.assert_identical()


def test_a_first_start_says_what_it_does_not_move(
    queues: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """As for a queue of a list that was created while the mover did not run."""
    caplog.set_level(logging.INFO)
    tick = queues.produce(7)
    queues.move()
    assert f"registered at tick {tick}: about 7 earlier events of the queue" in caplog.text
    assert queues.target_events.count() == 0


def test_reset_takes_the_registration_for_the_truth(registered: Pair) -> None:
    registered.produce(10)
    registered.move()
    # given a registration that was moved back
    value(
        registered.source,
        "select pgq.register_consumer_at(%s, %s, 1)",
        registered.queue,
        registered.consumer,
    )
    registered.command("--reset").check()
    assert registered.position is None
    # then the start makes it the position, says so, and what the target has comes again
    result = registered.command(loop_delay=0).check()
    assert "no position on the target for this consumer" in result.stderr
    assert registered.target_events.count() == 20


def test_a_batch_that_a_partner_has_applied_is_left_to_it(
    registered: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    # given a mover that has not finished its batch on the source yet
    partner = registered.mover()
    registered.produce(10)
    assert partner.move_batch().result is Result.MOVED
    # when the position is forgotten and another mover starts
    registered.command("--reset").check()
    registered.mover().prepare()
    # then it sets none: the batch is active, and nobody knows who has applied it
    assert registered.position is None
    registered.produce(10)
    registered.move(partner)
    registered.assert_identical()
    assert "the position on the target is gone, as after --reset" in caplog.text


def test_whoever_moves_the_first_batch_is_not_waited_for_long(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "LOCK_WAIT", "200ms")
    register_by_sql(pair)
    pair.produce(10)
    mover = pair.mover()
    # given a partner that holds the consumer's lock
    with hold_target(pair):
        mover.prepare()
        assert pair.position is None
        # then ours is its standby
        assert mover.move_batch().result is Result.BUSY
    pair.move(mover)
    pair.assert_identical()


@pytest.mark.parametrize("remembers", [True, False])
def test_it_overwrites_no_position(pair: Pair, *, remembers: bool) -> None:
    if not remembers:
        forget_origins(pair)
    route = Route(pair.queue, pair.consumer, pair.target_queue)

    def overtaken() -> Position:
        """A mover that takes no locks sets the position meanwhile."""
        value(pair.target, "select pgq_ext.set_last_tick(%s, 7)", pair.consumer)
        return Position(5, "this source", "a mark") if remembers else Position(5)

    with pair.target_db.connect() as connection:
        target.set_first_position(connection, route, overtaken, remembers=remembers)
        target.set_first_position(connection, route, lambda: Position(5), remembers=remembers)
    assert pair.position == 7


@pytest.mark.parametrize("way", [start, register], ids=lambda way: way.__name__)
def test_others_without_a_position_are_named(registered: Pair, way: Register) -> None:
    """Whether one of them is an old name of this consumer, the target cannot tell."""
    # given consumers that wait with events and have no position here
    registered.command("--reset").check()
    registered.produce(10)
    old = rename(registered)
    others = [f"{registered.queue}_{name}" for name in ("idle", "late")]
    registered.consumer = others[1]
    register_by_sql(registered)
    registered.produce(5)
    registered.consumer = others[0]
    register_by_sql(registered)
    registered.consumer = f"{old}_renamed"
    # when another one registers
    result = registered.command(*(["--register"] if way is register else []), loop_delay=0)
    # then one line names them
    (line,) = [line for line in news(result.check().stderr) if "WARNING" in line]
    assert f'"{old}" (15 events waiting)' in line
    assert f'"{others[1]}" (5 events waiting)' in line
    assert others[0] not in line
    # and its remedy loses nothing
    assert "--unregister, then --take-over OLD" in line
    registered.command("--unregister").check()
    registered.command("--take-over", old).check()
    registered.move()
    registered.assert_identical()


def test_alone_on_its_queue_it_warns_of_nobody(queues: Pair) -> None:
    queues.produce(10)
    assert "WARNING" not in queues.command(loop_delay=0).check().stderr
