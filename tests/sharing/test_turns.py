"""Batches that are ready at the same time share a transaction; each is decided on its own."""

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from queue_mover.errors import (
    BadEventError,
    ExpressionError,
    LostPositionError,
    StoppingError,
    UnavailableError,
)
from queue_mover.model import Outcome, Policy, Result
from queue_mover.moving import shared_transaction, sharing
from queue_mover.moving.peers import Peers
from queue_mover.pgq import shared_target
from queue_mover.postgres.locks import lock_key
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.processes import wait_until
from testbed.queues import create_queue, insert_event, queue_table, tick
from testbed.servers import TEMPLATE, with_pgq
from tests.moving.holding import hold_advisory
from tests.sharing.crowd import Crowd, Rider


def moved(*riders: Rider) -> list[bool]:
    """Which of them have moved their batch."""
    return [
        isinstance(rider.outcome, Outcome) and rider.outcome.result is Result.MOVED
        for rider in riders
    ]


def test_what_is_ready_at_the_same_time_shares_a_transaction(crowd: Crowd) -> None:
    for number, rider in enumerate(crowd.riders):
        rider.produce(10 + number)
    # when all read their batches while the target is busy
    assert crowd.move_together() == 1
    # then
    assert moved(*crowd.riders) == [True] * 3
    assert [isinstance(o := rider.outcome, Outcome) and o.count for rider in crowd.riders] == [
        10,
        11,
        12,
    ]
    for rider in crowd.riders:
        rider.mover.finish()
        assert rider.mover.move_batch().result is Result.IDLE
    crowd.assert_identical()


def test_events_of_each_source_stay_in_order_batch_after_batch(crowd: Crowd) -> None:
    for _ in range(4):
        for rider in crowd.riders:
            rider.produce(30)
        crowd.move_together()
    crowd.assert_identical()


def test_an_empty_batch_advances_too(crowd: Crowd) -> None:
    for rider in crowd.riders[1:]:
        rider.produce(3)
    tick(crowd.riders[0].conn, crowd.riders[0].queue)
    crowd.move_together()
    assert moved(*crowd.riders) == [True] * 3
    assert crowd.riders[0].mover.move_batch().result is Result.IDLE
    crowd.assert_identical()


def test_a_lone_batch_goes_at_once(crowd: Crowd) -> None:
    crowd.riders[0].produce(5)
    crowd.riders[0].move()
    assert moved(crowd.riders[0]) == [True]
    crowd.assert_identical()


def test_two_target_queues_in_one_transaction(crowd: Crowd) -> None:
    create_queue(crowd.target, f"{crowd.target_queue}_b")
    crowd.add(target_queue=f"{crowd.target_queue}_b")
    for rider in crowd.riders:
        rider.produce(7)
    assert crowd.move_together() == 1
    crowd.assert_identical()


def test_with_as_many_connections_as_movers_each_goes_alone(
    shared_databases: tuple[Database, Database],
) -> None:
    crowd = Crowd(*shared_databases, 1000, size=2)
    for _ in range(2):
        crowd.add().produce(5)
    before = crowd.commits()
    for rider in crowd.riders:
        rider.move()
    assert crowd.commits() - before == 2
    crowd.assert_identical()
    crowd.close()


# Those that cannot share are left out, and do not disturb the others


def poison(crowd: Crowd) -> None:
    """Make the target reject events that say so."""
    table = value(
        crowd.target,
        "select queue_data_pfx from pgq.queue where queue_name = %s",
        crowd.target_queue,
    )
    crowd.target.execute(f"alter table {table}_0 add check (ev_data <> 'poison')")


def test_one_poisoned_batch_stops_its_own_mover_only(crowd: Crowd) -> None:
    poison(crowd)
    for rider in crowd.riders:
        rider.produce(5)
    bad = crowd.riders[1]
    insert_event(bad.conn, bad.queue, "t", "poison")
    tick(bad.conn, bad.queue)
    crowd.move_together()
    crowd.sharing._paused_until = 0
    for rider in crowd.riders:
        if rider is not bad:
            rider.produce(5)
    crowd.move_together()
    assert moved(*crowd.riders) == [True, False, True]
    assert isinstance(bad.outcome, BadEventError)
    assert "the target rejected event" in str(bad.outcome)
    # and the events before it are there, nothing of its batch is
    counted = {rider.name: rider for rider in crowd.riders}
    assert (
        value(
            crowd.target,
            "select count(*) from pgq.event_template where ev_data = 'poison'",
        )
        == 0
    ), counted


def test_one_whose_expression_fails_is_told_so_and_the_others_move(crowd: Crowd) -> None:
    bad = crowd.add(event_filter="1 / (ev_id - ev_id) = 0")
    for rider in crowd.riders:
        rider.produce(5)
    with crowd.gathering():
        crowd.gathered(3)
    assert moved(*crowd.riders) == [True, True, True, False]
    assert isinstance(bad.outcome, ExpressionError)
    assert "event_filter fails for event" in str(bad.outcome)


def test_quarantine_goes_alone(crowd: Crowd) -> None:
    poison(crowd)
    bad = crowd.add(policy=Policy(quarantine=True))
    for rider in crowd.riders:
        rider.produce(5)
    crowd.move_together()
    crowd.sharing._paused_until = 0
    insert_event(bad.conn, bad.queue, "t", "poison")
    tick(bad.conn, bad.queue)
    for rider in crowd.riders[:-1]:
        rider.produce(5)
    crowd.move_together()
    assert moved(*crowd.riders) == [True] * 4
    assert isinstance(bad.outcome, Outcome)
    assert len(bad.outcome.quarantined) == 1


def test_one_whose_lock_is_held_stands_by_the_others_move(crowd: Crowd) -> None:
    for rider in crowd.riders:
        rider.produce(5)
    held = crowd.riders[1]
    with hold_advisory(crowd.target_db, lock_key("target", held.name)):
        crowd.move_together()
    assert moved(*crowd.riders) == [True, False, True]
    assert isinstance(held.outcome, Outcome)
    assert held.outcome.result is Result.BUSY
    held.move()
    assert moved(held) == [True]
    crowd.assert_identical()


def test_one_whose_position_a_program_without_locks_is_setting(crowd: Crowd) -> None:
    for rider in crowd.riders:
        rider.produce(5)
    slow = crowd.riders[1]
    with crowd.target_db.connect() as other:
        other.autocommit = False
        other.execute(
            "select pgq_ext.set_last_tick(%s, pgq_ext.get_last_tick(%s))", [slow.name] * 2
        )
        others = [rider for rider in crowd.riders if rider is not slow]

        def let_it_go_on() -> None:
            wait_until(lambda: all(rider.outcome for rider in others), 30, "the others")
            other.rollback()

        ending = threading.Thread(target=let_it_go_on)
        with crowd.gathering():
            crowd.gathered(3)
            ending.start()
        ending.join()
    assert moved(*crowd.riders) == [True] * 3
    crowd.assert_identical()


def skip(rider: Rider, crowd: Crowd) -> None:
    """The target has its batch already."""
    position = rider.conn.execute(
        "select next_tick, (select format('%%s %%s', extract(epoch from tick_time), tick_event_seq)"
        " from pgq.tick where tick_id = next_tick and tick_queue ="
        " (select queue_id from pgq.queue where queue_name = %s))"
        " from pgq.get_consumer_info(%s, %s)",
        [rider.queue, rider.queue, rider.name],
    ).fetchone()
    assert position is not None
    crowd.target.execute(
        "select queue_mover.advance_position(%s, pgq_ext.get_last_tick(%s), %s,"
        " (queue_mover.get_origin(%s)).source, %s)",
        [rider.name, rider.name, position[0], rider.name, position[1]],
    )


def lose(rider: Rider, crowd: Crowd) -> None:
    """The target's position fits neither end of its batch."""
    crowd.target.execute(
        "select queue_mover.advance_position(%s, pgq_ext.get_last_tick(%s), 99,"
        " (queue_mover.get_origin(%s)).source, '1 1')",
        [rider.name] * 3,
    )


def forget(rider: Rider, crowd: Crowd) -> None:
    """Its position is reset."""
    crowd.target.execute("select pgq_ext.set_last_tick(%s, null::bigint)", [rider.name])
    crowd.target.execute("select queue_mover.set_origin(%s, null, null, null)", [rider.name])


def take_away(rider: Rider, crowd: Crowd) -> None:
    """Another mover has moved and finished its batch, and the next one."""
    lose(rider, crowd)
    rider.conn.execute(
        "select pgq.finish_batch(current_batch) from pgq.get_consumer_info(%s, %s)",
        [rider.queue, rider.name],
    )


CHANGES: dict[str, tuple[Callable[[Rider, Crowd], None], Result | type[Exception]]] = {
    "the target has it": (skip, Result.SKIPPED),
    "another mover has finished it": (take_away, Result.STALE),
    "position lost": (lose, LostPositionError),
    "position reset": (forget, Result.MOVED),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_is_decided_on_its_own(crowd: Crowd, name: str) -> None:
    change, expected = CHANGES[name]
    for rider in crowd.riders:
        rider.produce(5)
    odd = crowd.riders[2]
    # when one position changes after the batches were read
    with crowd.gathering():
        crowd.gathered(3)
        change(odd, crowd)
    # then
    others = [rider for rider in crowd.riders if rider is not odd]
    assert moved(*others) == [True] * 2
    if isinstance(expected, Result):
        assert isinstance(odd.outcome, Outcome)
        assert odd.outcome.result is expected
    else:
        assert isinstance(odd.outcome, expected)


def test_a_batch_unregistered_while_it_waits(crowd: Crowd) -> None:
    """Its mover has gone from both sides: nothing of it is written."""
    for rider in crowd.riders:
        rider.produce(5)
    gone = crowd.riders[0]
    with crowd.gathering():
        crowd.gathered(3)
        gone.conn.execute("select pgq.unregister_consumer(%s, %s)", [gone.queue, gone.name])
        forget(gone, crowd)
    assert moved(*crowd.riders) == [False, True, True]


# Large batches, and room


def test_a_large_batch_goes_alone_and_small_ones_of_its_source_share_again(crowd: Crowd) -> None:
    large = crowd.riders[0]
    insert_event(large.conn, large.queue, "t", "x" * (sharing.LARGEST_BATCH + 1))
    tick(large.conn, large.queue)
    large.move()
    assert moved(large) == [True]
    for _ in range(60):
        large.produce(1)
        large.move()
    for rider in crowd.riders:
        rider.produce(5)
    assert crowd.move_together() == 1
    crowd.assert_identical()


def test_without_room_they_go_alone_and_all_room_comes_back(crowd: Crowd) -> None:
    crowd.sharing._room = 2 * 8192
    for rider in crowd.riders:
        rider.produce(5)
    with crowd.gathering():
        crowd.gathered(2)
    assert moved(*crowd.riders) == [True] * 3
    assert crowd.sharing._room == 2 * 8192
    crowd.assert_identical()


# Failures


def test_when_the_connection_is_lost_each_finds_its_own_position(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit's answer is lost: the batches are on the target, and nobody has been told."""
    real = shared_target.commit_positions

    def lose_the_answer(connection: psycopg.Connection, positions: object) -> None:
        real(connection, positions)  # type: ignore[arg-type]
        connection.close()
        raise psycopg.OperationalError("the answer is lost")

    for rider in crowd.riders:
        rider.produce(5)
    with monkeypatch.context() as patched:
        patched.setattr(shared_transaction, "commit_positions", lose_the_answer)
        crowd.move_together()
    assert [
        isinstance(rider.outcome, Outcome) and rider.outcome.result for rider in crowd.riders
    ] == [Result.SKIPPED] * 3
    crowd.assert_identical()


def test_a_server_that_dies_before_the_commit(
    crowd: Crowd, target_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shared_target.commit_positions

    def crash(connection: psycopg.Connection, positions: object) -> None:
        target_cluster.stop("immediate")
        real(connection, positions)  # type: ignore[arg-type]

    for rider in crowd.riders:
        rider.produce(5)
    with monkeypatch.context() as patched:
        patched.setattr(shared_transaction, "commit_positions", crash)
        with crowd.gathering():
            crowd.gathered(3)
    assert all(isinstance(rider.outcome, UnavailableError) for rider in crowd.riders)
    target_cluster.start()
    for rider in crowd.riders:
        rider.move_again()
    assert moved(*crowd.riders) == [True] * 3
    crowd.assert_identical()


def unforeseen(*_: object) -> None:
    raise ValueError("not foreseen")


def unforeseen_after_the_commit(dst: psycopg.Connection, positions: object) -> None:
    shared_target.commit_positions(dst, positions)  # type: ignore[arg-type]
    raise ValueError("not foreseen")


@pytest.mark.parametrize(
    ("owner", "name", "failing"),
    [
        (sharing.Sharing, "_take", unforeseen),
        (shared_transaction, "commit_positions", unforeseen),
        (shared_transaction, "commit_positions", unforeseen_after_the_commit),
    ],
    ids=["before_it_has_taken", "before_the_commit", "after_the_commit"],
)
def test_a_turn_that_fails_as_nobody_expects_leaves_no_answer_behind(
    crowd: Crowd,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    failing: Callable[..., None],
) -> None:
    """An answer about the batch that failed would be taken for one about the next batch."""
    for rider in crowd.riders:
        rider.produce(5)
    # given a turn that fails
    with monkeypatch.context() as patched, crowd.gathering():
        crowd.gathered(3)
        leader = crowd.leader
        patched.setattr(owner, name, failing)
    assert isinstance(leader.outcome, ValueError)
    # when its mover tries again, and the next batches come, while the target is busy
    for rider in crowd.riders:
        if isinstance(rider.outcome, ValueError):
            rider.move()
    for _ in range(2):
        for rider in crowd.riders:
            rider.produce(5)
        with crowd.gathering():
            crowd.gathered(3)
            # then none is answered before it is on the target
            time.sleep(0.1)
            assert crowd.waiting == 3
            assert [rider.outcome for rider in crowd.riders] == [None] * 3
    for rider in crowd.riders:
        rider.mover.finish()
    crowd.assert_identical()


def test_one_that_is_stopped_while_it_waits_leaves_the_others(crowd: Crowd) -> None:
    for rider in crowd.riders:
        rider.produce(5)
    with crowd.gathering():
        crowd.gathered(3)
        leader = crowd.leader
        follower = next(rider for rider in crowd.riders if rider is not leader)
        for each in (leader, follower):
            each.client.stop()
            each.mover.stop()
        wait_until(lambda: all(each.outcome for each in (leader, follower)), 30, "two that stop")
    assert all(isinstance(each.outcome, StoppingError) for each in (leader, follower))
    (other,) = (rider for rider in crowd.riders if rider not in (leader, follower))
    assert moved(other) == [True]


def test_a_source_frozen_while_it_is_read_delays_nobody(
    crowd: Crowd, private_cluster: Callable[..., Cluster]
) -> None:
    cluster = with_pgq(private_cluster("frozen"))
    frozen = crowd.add(cluster.create_database("frozen", template=TEMPLATE))
    for rider in crowd.riders:
        rider.produce(5)
    cluster.freeze()
    thread = threading.Thread(target=frozen.move)
    thread.start()
    with crowd.gathering(crowd.riders[:-1]):
        crowd.gathered(3)
    assert moved(*crowd.riders[:-1]) == [True] * 3
    cluster.thaw()
    thread.join(30)
    assert moved(frozen) == [True]
    crowd.assert_identical()


def test_peers_may_be_none(crowd: Crowd) -> None:
    alone = crowd.add(peers=lambda _: Peers())
    alone.produce(5)
    alone.move()
    assert moved(alone) == [True]


def test_another_encoding_goes_alone(crowd: Crowd, latin1: Database) -> None:
    other = crowd.add(latin1)
    for rider in crowd.riders[:-1]:
        rider.produce(5)
    insert_event(other.conn, other.queue, "t", "\u00e9t\u00e9")
    tick(other.conn, other.queue)
    with crowd.gathering():
        crowd.gathered(3)
    assert moved(*crowd.riders) == [True] * 4
    table = queue_table(crowd.target, crowd.target_queue)
    assert value(crowd.target, f"select count(*) from {table} where ev_data = '\u00e9t\u00e9'") == 1
