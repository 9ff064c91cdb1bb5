"""A position belongs to a source queue, not to a name: who is renamed leaves no events behind."""

import logging
from contextlib import closing

import pytest

from queue_mover.errors import NotReadyError
from queue_mover.model import Position, Registration, Route
from queue_mover.moving.registration import Registrar
from queue_mover.moving.takeover import take_over_tick
from queue_mover.observation.left_behind import LeftBehind, left_behind
from queue_mover.postgres.database import Database
from testbed.database import value
from testbed.log_lines import news
from testbed.processes import wait_until
from tests.moving.pair import Pair

OLD = "a_former_name"
HERE = "this source"

# registration of OLD on the source, its position on the target, whether it is left behind
STANDINGS = [
    (Registration(OLD, 5), Position(5, HERE, "m"), True),
    (Registration(OLD, 5), Position(3, HERE), True),
    (None, Position(5, HERE, "m"), True),
    # Of an older mover, which recorded no source: known by its tick.
    (Registration(OLD, 5), Position(5), True),
    (Registration(OLD, 5, 7), Position(7), True),
    (Registration(OLD, 5, 7), Position(6), False),
    (None, Position(5), False),
    # Of a source that was moved since, or of another one that uses the same name.
    (Registration(OLD, 5), Position(5, "another source"), True),
    (Registration(OLD, 5), Position(6, "another source"), False),
    (None, Position(5, "another source"), False),
    # A consumer of somebody else's.
    (Registration(OLD, 5), None, False),
]


@pytest.mark.parametrize(("registration", "position", "behind"), STANDINGS)
def test_who_is_left_behind(
    registration: Registration | None, position: Position | None, *, behind: bool
) -> None:
    registrations = [registration] if registration else []
    positions = {OLD: position} if position else {}
    expected: dict[str, LeftBehind] = {OLD: (registration, position)} if position else {}
    found = left_behind(registrations, positions, HERE, {"new"})
    assert found == (expected if behind else {})
    assert left_behind(registrations, positions, HERE, {"new", OLD}) == {}


R5 = Registration(OLD, 5, 7)
AT_5, AT_7 = Position(5, HERE, "mark of 5"), Position(7, HERE, "mark of 7")
N5, N9 = Registration("new", 5), Registration("new", 9)

# OLD's registration and position, the new one's; where it goes on, or why not
TAKE_OVERS = [
    (R5, AT_5, None, None, 5),
    (R5, AT_7, None, None, 7),
    (R5, None, None, None, 5),
    (R5, Position(7), None, None, 7),
    (None, AT_5, None, None, 5),
    # A take-over that died between the databases.
    (None, AT_5, N5, None, 5),
    (None, Position(5), N5, None, 5),
    (None, None, None, None, "nothing to take over"),
    (None, None, N5, AT_5, "nothing to take over"),
    (R5, Position(5, "another source"), None, None, "belongs to another source"),
    (R5, Position(6), None, None, "has no recorded source"),
    (None, Position(5), None, None, "has no recorded source"),
    (R5, AT_5, N5, AT_5, "has a position of its own"),
    (None, AT_5, None, AT_5, "has a position of its own"),
    (R5, AT_5, N5, None, "is already registered"),
    (None, AT_5, N9, None, "is already registered"),
    (None, Position(8, HERE), None, None, "no longer has tick 8"),
    (R5, Position(5, HERE, "another mark"), None, None, "Lost position: tick 5"),
]


@pytest.mark.parametrize(
    ("old", "old_position", "new", "position", "expected"), TAKE_OVERS, ids=str
)
def test_where_a_taker_goes_on(
    old: Registration | None,
    old_position: Position | None,
    new: Registration | None,
    position: Position | None,
    expected: int | str,
) -> None:
    def take_over(name: str = OLD) -> int:
        marks = {5: "mark of 5", 7: "mark of 7"}
        route = Route("queue", "new", "there")
        return take_over_tick(route, HERE, (name, old, old_position), (new, position), marks.get)

    if isinstance(expected, int):
        assert take_over() == expected
    else:
        with pytest.raises(NotReadyError, match=f"{expected}.*remedy: "):
            take_over()
    with pytest.raises(NotReadyError, match="is the one that would take over"):
        take_over("new")


# On real servers


@pytest.fixture
def renamed(registered: Pair) -> Pair:
    """Ten events have been moved, ten wait, and then the consumer gets another name."""
    registered.produce(10)
    registered.move()
    registered.produce(10)
    registered.consumer = f"{registered.consumer}_renamed"
    return registered


def old_name(pair: Pair) -> str:
    return pair.consumer.removesuffix("_renamed")


def known(pair: Pair) -> tuple[object, object]:
    """What both sides know of the consumer."""
    return pair.subscription(), pair.position


@pytest.mark.parametrize("auto_register", [1, 0])
def test_it_refuses_and_names_the_old_one_and_the_ways_out(
    renamed: Pair, auto_register: int
) -> None:
    old = old_name(renamed)
    result = renamed.command(auto_register=auto_register)
    assert result.returncode == 1
    (line,) = news(result.stderr)
    assert f'"{old}" has, up to tick 2, 10 events waiting' in line
    assert f"consumer_name = {old} resumes" in line
    assert f"--take-over {old}" in line
    assert "--register starts again" in line
    assert (renamed.subscription(), renamed.position) == (None, None)


def test_under_the_old_name_it_goes_on(renamed: Pair) -> None:
    renamed.command(consumer_name=old_name(renamed), loop_delay=0).check()
    renamed.assert_identical()


def test_take_over_moves_the_position(renamed: Pair) -> None:
    result = renamed.command("--take-over", old_name(renamed)).check()
    assert f'Took over from consumer "{old_name(renamed)}", at tick 2' in result.stderr
    assert renamed.position == 2
    renamed.command(loop_delay=0).check()
    renamed.assert_identical()
    # and of the old one nothing is left
    new, renamed.consumer = renamed.consumer, old_name(renamed)
    assert known(renamed) == (None, None)
    # so that it cannot be started by mistake
    result = renamed.command()
    assert result.returncode == 1
    assert f"--take-over {new}" in result.stderr


@pytest.mark.parametrize("table", ["pgq.event_", "pgq.retry_queue"])
def test_take_over_drops_no_events_that_the_old_one_was_to_retry(queues: Pair, table: str) -> None:
    # given a consumer that is not a mover, and has put an event back
    value(queues.source, "select pgq.register_consumer(%s, %s)", queues.queue, OLD)
    queues.produce(2, last="again")
    batch = value(queues.source, "select pgq.next_batch(%s, %s)", queues.queue, OLD)
    event = value(queues.source, "select max(ev_id) from pgq.get_batch_events(%s)", batch)
    queues.source.execute("select pgq.event_retry(%s, %s, 0)", [batch, event])
    queues.source.execute("select pgq.finish_batch(%s)", [batch])
    if table == "pgq.event_":
        queues.source.execute("select pgq.maint_retry_events()")
        queues.tick()
    sides = (queues.source_db, queues.target_db)
    source, target = (Database("", each.conninfo(), "in_process") for each in sides)
    route = Route(queues.queue, queues.consumer, queues.target_queue)
    registrar = Registrar(route, source, target, logging.getLogger("mover"))
    # when a mover is to take its place, then it is refused: PgQ would drop the event in silence
    with (
        closing(registrar),
        pytest.raises(NotReadyError, match=r"to retry \(1\)") as refused,
    ):
        registrar.take_over(OLD)
    assert f"DELETE FROM {table}" in str(refused.value)
    # and the command that drops it makes way
    queues.source.execute(str(refused.value).rpartition(": ")[2].encode())
    with closing(registrar):
        registrar.take_over(OLD)
    assert queues.subscription() is not None


def test_register_starts_anew_and_says_who_stays_behind(renamed: Pair) -> None:
    result = renamed.command("--register").check()
    assert f'WARNING consumer "{old_name(renamed)}" is left behind' in result.stderr
    assert f"--consumer {old_name(renamed)} --unregister" in result.stderr
    renamed.produce(3)
    renamed.command(loop_delay=0).check()
    assert renamed.target_events.count() == 13
    # when the old one is removed, as the message says
    renamed.command("--consumer", old_name(renamed), "--unregister").check()
    renamed.consumer = old_name(renamed)
    assert known(renamed) == (None, None)


def test_one_that_was_unregistered_and_left_its_position(renamed: Pair) -> None:
    value(
        renamed.source, "select pgq.unregister_consumer(%s, %s)", renamed.queue, old_name(renamed)
    )
    result = renamed.command()
    assert result.returncode == 1
    assert f'"{old_name(renamed)}" has, up to tick 2, now unregistered' in result.stderr
    renamed.command("--take-over", old_name(renamed)).check()
    renamed.command(loop_delay=0).check()
    renamed.assert_identical()


def test_a_position_of_an_older_mover_is_known_by_its_tick(renamed: Pair) -> None:
    value(renamed.target, "select queue_mover.set_origin(%s, null, null, null)", old_name(renamed))
    assert "10 events waiting" in renamed.command().stderr
    renamed.command("--take-over", old_name(renamed)).check()
    renamed.command(loop_delay=0).check()
    renamed.assert_identical()


def test_a_running_old_mover_ends_when_it_is_taken_over(pair: Pair) -> None:
    with pair.start() as old:
        pair.produce(10)
        pair.wait_for(10)
        former, pair.consumer = pair.consumer, "new_name"
        pair.command("--take-over", former).check()
        assert old.wait() == 0
        assert f'WARNING consumer "{former}" was unregistered' in old.stderr
        assert "ERROR" not in old.stderr
    pair.produce(5)
    pair.command(loop_delay=0).check()
    pair.assert_identical()


def test_unregister_ends_a_running_mover_calmly(pair: Pair) -> None:
    with pair.start() as mover:
        pair.produce(10)
        pair.wait_for(10)
        pair.command("--unregister").check()
        assert mover.wait() == 0
        (line,) = [line for line in mover.stderr.splitlines() if "INFO" not in line]
        assert f'WARNING consumer "{pair.consumer}" was unregistered' in line
        assert "ended with exit code 0: its consumer was unregistered" in mover.stderr
    assert (pair.subscription(), pair.position) == (None, None)


def test_a_busy_mover_ends_calmly_too(pair: Pair) -> None:
    pair.register()
    before = pair.position
    for _ in range(30):
        pair.produce(20)
    with pair.start(max_batch_events=0) as mover:
        wait_until(lambda: pair.position != before, 30, "the first batch")
        pair.command("--unregister").check()
        assert mover.wait() == 0
        assert "ERROR" not in mover.stderr
        assert "Traceback" not in mover.stderr
    assert (pair.subscription(), pair.position) == (None, None)
