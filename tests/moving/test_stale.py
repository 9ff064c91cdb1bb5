"""A mover that is overtaken while it has a batch in hand, and has not reached the target yet."""

import signal
from collections.abc import Callable

import pytest

from queue_mover.errors import NotReadyError
from queue_mover.model import Result
from queue_mover.moving.mover import Mover
from testbed.cluster import Cluster
from testbed.database import value
from testbed.proxy import Proxy
from tests.moving.holding import end_backends, hold_copy, stop_copy_at, wait_until_blocked
from tests.moving.pair import Pair

HERE = "stop here"


@pytest.mark.parametrize("known", [False, True], ids=["no position yet", "a position"])
def test_a_partner_finished_it_and_went_on(registered: Pair, known: bool) -> None:
    if known:
        registered.produce(10)
        registered.move()
    else:
        registered.command("--reset").check()

    def partner() -> None:
        registered.move(max_events=0)
        registered.produce(10)
        registered.move()

    # given a mover that is overtaken with a batch in hand
    registered.produce(10)
    late = registered.mover(partner)
    # then it drops the batch
    assert late.move_batch().result is Result.STALE
    # and goes on
    registered.produce(10)
    registered.move(late)
    registered.assert_identical()


@pytest.mark.parametrize("finished", [False, True])
def test_a_partner_moved_just_this_one(registered: Pair, finished: bool) -> None:
    def partner() -> None:
        mover = registered.mover()
        assert mover.move_batch().result is Result.MOVED
        if finished:
            mover.finish()

    registered.produce(10)
    late = registered.mover(partner)
    assert late.move_batch().result is Result.SKIPPED
    registered.produce(10)
    registered.move(late)
    registered.assert_identical()


def go_on(mover: Mover) -> None:
    """Move all there is, trying again as the service does when a database was not ready."""
    for attempt in range(10):
        try:
            while mover.move_batch().result is not Result.IDLE:
                assert attempt < 10
        except NotReadyError:
            continue
        return
    raise AssertionError("it never gets ready")


def unregister_and_register(pair: Pair) -> None:
    pair.command("--unregister").check()
    pair.produce(10, label="nobody's")
    pair.command("--register").check()


def reset(pair: Pair) -> None:
    pair.command("--reset").check()


def rewind(pair: Pair) -> None:
    # Without a position it says so, and changes nothing.
    assert pair.command("--rewind").returncode == (0 if pair.position else 1)


@pytest.mark.parametrize("known", [False, True], ids=["no position yet", "a position"])
@pytest.mark.parametrize(
    ("command", "arriving"),
    [(unregister_and_register, 10), (reset, 20), (rewind, 20)],
    ids=["unregister and register", "reset", "rewind"],
)
def test_an_operator_changed_the_registration(
    registered: Pair, command: Callable[[Pair], None], arriving: int, known: bool
) -> None:
    before = 0
    if known:
        registered.produce(10)
        registered.move()
        before = 10
    else:
        registered.command("--reset").check()

    # given a mover with a batch in hand, while an operator changes the registration
    def operator() -> None:
        command(registered)
        registered.produce(10, label="new")

    registered.produce(10, label="in hand")
    late = registered.mover(operator)
    # when it goes on, then it does not lose its position by a batch that is not its own any more
    go_on(late)
    assert registered.target_events.count() == before + arriving
    comparison = registered.compared()
    assert (comparison.duplicated, comparison.unexpected, comparison.changed) == (0, 0, 0)
    labels = {str(event.data).partition(":")[0] for event in registered.target_events.read()}
    assert "new" in labels
    assert "nobody's" not in labels
    # and the next batches come as ever
    registered.produce(5)
    go_on(late)
    assert registered.target_events.count() == before + arriving + 5


def test_a_stopped_process_is_overtaken(pair: Pair, target_cluster: Cluster) -> None:
    # given a process that has a batch, and whose first word to the target does not arrive
    with (
        Proxy(target_cluster.port) as proxy,
        pair.start(dst_db=pair.target_db.conninfo(port=proxy.port), max_batch_events=0) as late,
    ):
        pair.produce(10)
        pair.wait_for(10)
        proxy.hold(responses=False)
        pair.produce(10)
        proxy.wait_for_request()
        # when it is stopped, a partner moves that batch and more
        late.send(signal.SIGSTOP)
        pair.produce(10)
        pair.move()
        pair.produce(10)
        pair.move()
        assert pair.target_events.count() == 40
        # and it goes on
        proxy.release()
        late.send(signal.SIGCONT)
        # then it drops the batch, and is a mover as any other
        late.wait_for_output("batch stale: not applied again")
        pair.produce(10)
        pair.wait_for(50)
        assert late.stop() == 0
        assert "Lost position" not in late.stderr
    pair.assert_identical()


def stopped_in_mid_batch(pair: Pair) -> None:
    """Give it a batch whose COPY stops at its last event, if it is held."""
    pair.produce(10, last=HERE)
    wait_until_blocked(pair.target)


def test_a_process_stopped_in_mid_batch_makes_its_partner_wait(pair: Pair) -> None:
    stop_copy_at(pair, HERE)
    with pair.start() as stopped:
        with hold_copy(pair):
            stopped_in_mid_batch(pair)
            stopped.send(signal.SIGSTOP)
        # then its transaction is open, and a partner waits
        partner = pair.mover()
        pair.produce(10)
        outcome = partner.move_batch()
        assert outcome.result is Result.BUSY
        assert "(mover)" in outcome.holder
        assert pair.target_events.count() == 0
        # when it goes on, then all comes
        stopped.send(signal.SIGCONT)
        pair.wait_for(21)
        assert stopped.stop() == 0
    pair.move(partner)
    pair.assert_identical()


def test_a_process_stopped_in_mid_batch_whose_transaction_is_ended(pair: Pair) -> None:
    stop_copy_at(pair, HERE)
    with pair.start() as stopped:
        with hold_copy(pair):
            stopped_in_mid_batch(pair)
            stopped.send(signal.SIGSTOP)
            end_backends(pair.target)
        # when a partner carries on
        pair.produce(10)
        pair.move()
        assert pair.target_events.count() == 21
        # and the stopped one wakes up, then its transaction fails
        stopped.send(signal.SIGCONT)
        stopped.wait_for_output("target database not available")
        pair.produce(10)
        pair.wait_for(31)
        assert stopped.stop() == 0
        assert "Lost position" not in stopped.stderr
    pair.assert_identical()
    assert value(pair.source, "select count(*) from pgq.subscription") == 1
