"""Movers of one process that start together check their target once."""

from dataclasses import replace

import pytest

from queue_mover.errors import NotReadyError
from queue_mover.model import PGQ, PGQUE, Result, Route
from queue_mover.moving import preflight, target_states
from queue_mover.moving.peers import Peers
from queue_mover.moving.target_states import TargetStates
from queue_mover.observation.side_states import ServerState, TargetState
from queue_mover.observation.sides import read_target
from queue_mover.postgres.connection import Connection
from testbed.queues import create_queue
from tests.sharing.crowd import Crowd

STATE = TargetState(ServerState(False, False, "UTF8", "mover"), has_pgq=True)
ROUTE = Route("orders", "mover", "all_orders", finds_target_flavour=True)


@pytest.mark.parametrize(
    ("route", "known"),
    [
        (replace(ROUTE, queue="bills", consumer="other"), True),
        (replace(ROUTE, target_queue="bills"), False),
        (replace(ROUTE, finds_target_flavour=False, target_flavour=PGQUE), False),
        (replace(ROUTE, finds_target_flavour=False), False),
        (replace(ROUTE, split_field="ev_extra1"), False),
    ],
    ids=["other_source", "other_queue", "set_flavour", "set_to_the_same", "split"],
)
def test_what_is_known_is_known_of_the_queue(route: Route, known: bool) -> None:
    states = TargetStates()
    states.keep(ROUTE, STATE)
    assert states.recent(route) == ((PGQ, STATE) if known else None)


def test_it_is_good_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    states = TargetStates()
    states.keep(ROUTE, STATE)
    monkeypatch.setattr(target_states, "GOOD_FOR", -1.0)
    assert states.recent(ROUTE) is None


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> TargetStates:
    """For movers that start at the same moment, however slow the machine is."""
    monkeypatch.setattr(target_states, "GOOD_FOR", 3600.0)
    return TargetStates()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The target queues that movers check, in order."""
    found: list[str] = []

    def read(connection: Connection, route: Route) -> TargetState:
        found.append(route.target_queue)
        return read_target(connection, route)

    monkeypatch.setattr(preflight, "read_target", read)
    return found


def test_the_others_rely_on_the_first_and_find_out_when_they_move(
    crowd: Crowd, together: TargetStates, checks: list[str]
) -> None:
    # given three movers that start at the same moment
    create_queue(crowd.target, "short_lived")
    known = Peers(target_states=together)
    riders = [crowd.add(target_queue="short_lived", peers=lambda _: known) for _ in range(3)]
    # then the target was checked once, and all move
    assert checks == ["short_lived"]
    for rider in riders:
        rider.produce(3)
        assert rider.mover.move_batch().result is Result.MOVED
    crowd.assert_identical()
    # when the queue goes
    crowd.target.execute("select pgq.drop_queue('short_lived', true)")
    # then each that moves a batch finds out, by a check of its own
    for number, rider in enumerate(riders):
        rider.produce(3)
        with pytest.raises(NotReadyError, match='no queue "short_lived"'):
            rider.mover.move_batch()
        assert len(checks) == 2 + number
        crowd.riders.remove(rider)


def test_a_target_that_is_not_ready_is_checked_by_each(
    crowd: Crowd, together: TargetStates, checks: list[str]
) -> None:
    known = Peers(target_states=together)
    for _ in range(2):
        with pytest.raises(NotReadyError, match='no queue "late"'):
            crowd.add(target_queue="late", peers=lambda _: known)
        assert checks
        checks.clear()
    create_queue(crowd.target, "late")
    for _ in range(2):
        crowd.add(target_queue="late", peers=lambda _: known)
    assert checks == ["late"]
