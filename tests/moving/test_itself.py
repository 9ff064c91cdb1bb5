"""A queue that would be moved into itself: its events would double for ever."""

import pytest

from testbed.database import value
from testbed.queues import install_pgq_ext
from tests.moving.pair import Pair


@pytest.fixture
def itself(pair: Pair) -> Pair:
    """A pair whose target is its source queue."""
    install_pgq_ext(pair.source)
    pair.target_db, pair.target_queue = pair.source_db, pair.queue
    pair.target.close()
    pair.target = pair.target_db.connect()
    return pair


@pytest.mark.parametrize("way", ["same", "socket", "other role"])
@pytest.mark.parametrize("switches", [(), ("--register",)], ids=["start", "register"])
def test_a_queue_is_not_moved_into_itself(
    itself: Pair, way: str, switches: tuple[str, ...]
) -> None:
    # given the same database, by whatever way it is reached
    (socket,) = value(itself.source, "select array[current_setting('unix_socket_directories')]")
    itself.source.execute("drop role if exists elsewhere")
    itself.source.execute("create role elsewhere login superuser")
    other: dict[str, dict[str, str]] = {
        "same": {},
        "socket": {"host": socket},
        "other role": {"host": "localhost", "user": "elsewhere"},
    }
    # when
    result = itself.command(*switches, dst_db=itself.target_db.conninfo(**other[way]))
    # then
    assert result.returncode == 1
    assert f'queue "{itself.queue}" would be moved into itself; remedy: ' in result.stderr
    assert "Traceback" not in result.stderr
    assert itself.subscription() is None


def test_between_two_queues_of_one_database_events_move(itself: Pair) -> None:
    itself.target_queue = "to_there"
    value(itself.target, "select pgq.create_queue(%s)", itself.target_queue)
    itself.register()
    itself.produce(7)
    itself.command(loop_delay=0).check()
    assert itself.target_events.count() == 7


def test_a_queue_of_the_same_name_elsewhere_is_another(pair: Pair) -> None:
    pair.target_queue = pair.queue
    value(pair.target, "select pgq.create_queue(%s)", pair.queue)
    pair.register()
    pair.produce(7)
    pair.command(loop_delay=0).check()
    assert pair.target_events.count() == 7
    pair.assert_identical()
