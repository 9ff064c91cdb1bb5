"""Lost position: said with both positions, never retried, and repaired by each command."""

import pytest

from testbed.log_lines import news
from tests.moving.pair import Pair


@pytest.fixture
def lost(queues: Pair) -> Pair:
    """The source stands at tick 1 and gives batch 1..4; the target has tick 3.

    Ten events came with each of the ticks 2, 3 and 4; those of 2 and 3 have been moved.
    """
    queues.register()
    queues.produce(10, label="two")
    queues.move()
    queues.produce(10, label="three")
    queues.move()
    queues.source.execute(
        "select pgq.register_consumer_at(%s, %s, 1)", [queues.queue, queues.consumer]
    )
    queues.produce(10, label="four")
    return queues


def labels(pair: Pair) -> list[str]:
    """What has arrived, as the labels of the events, each once for ten."""
    arrived = [str(event.data).partition(":")[0] for event in pair.target_events.read()]
    assert all(len(set(arrived[n : n + 10])) == 1 for n in range(0, len(arrived), 10))
    return arrived[::10]


def set_position(pair: Pair, tick: int) -> None:
    """Somebody sets the position by hand."""
    pair.target.execute("select pgq_ext.set_last_tick(%s, %s::bigint)", [pair.consumer, tick])


@pytest.mark.parametrize("loop_delay", [0.05, 0, -1])
def test_it_stops_with_both_positions_and_remedies(lost: Pair, loop_delay: float) -> None:
    result = lost.command(loop_delay=loop_delay)
    assert result.returncode == 1
    lines = [line for line in news(result.stderr) if "Lost position" in line]
    assert len(lines) == 1
    assert "Lost position: batch 1..4, dst has 3" in lines[0]
    assert "--rewind" in lines[0]
    assert "--reset" in lines[0]
    assert "Traceback" not in result.stderr
    # and it has changed nothing
    assert labels(lost) == ["two", "three"]
    assert lost.position == 3


def test_rewind_goes_on_from_the_target(lost: Pair) -> None:
    result = lost.command("--rewind").check()
    assert "Rewound the source queue to tick 3" in result.stderr
    assert lost.subscription() == (3, None, None)
    lost.move()
    assert labels(lost) == ["two", "three", "four"]
    lost.assert_identical()


def test_rewind_goes_back_as_well(lost: Pair) -> None:
    # given a target that was restored from a backup: it has tick 2 only
    set_position(lost, 2)
    lost.target.execute(
        f"delete from {lost.target_events.table} where ev_data like 'three:%'".encode()
    )
    lost.source.execute("select pgq.register_consumer_at(%s, %s, 3)", [lost.queue, lost.consumer])
    assert "Lost position: batch 3..4, dst has 2" in lost.command(loop_delay=0).stderr
    # when the source is rewound, then everything comes
    lost.command("--rewind").check()
    lost.move()
    assert labels(lost) == ["two", "three", "four"]


def test_rewind_to_a_tick_that_is_gone(lost: Pair) -> None:
    set_position(lost, 999)
    before = lost.subscription()
    result = lost.command("--rewind")
    assert result.returncode == 1
    assert "tick not found: 999" in result.stderr
    assert "Traceback" not in result.stderr
    assert lost.subscription() == before
    assert lost.position == 999


def test_reset_goes_on_from_the_source(lost: Pair) -> None:
    lost.command("--reset").check()
    assert lost.position is None
    lost.move()
    assert labels(lost) == ["two", "three", "two", "three", "four"]
    comparison = lost.compared()
    assert (comparison.missing, comparison.duplicated, comparison.changed) == (0, 20, 0)


def test_register_changes_nothing(lost: Pair) -> None:
    before = lost.subscription()
    lost.command("--register").check()
    assert lost.subscription() == before
    assert lost.position == 3
    assert "Lost position: batch 1..4, dst has 3" in lost.command(loop_delay=0).stderr


def test_unregister_and_register_start_anew(lost: Pair) -> None:
    lost.command("--unregister").check()
    assert lost.subscription() is None
    assert lost.position is None
    lost.command("--register").check()
    lost.produce(10, label="five")
    lost.move()
    assert labels(lost) == ["two", "three", "five"]
