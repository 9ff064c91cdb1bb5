"""Two sources with one consumer name, and the position of one touched by the other."""

import pytest

from testbed.compare import compare
from testbed.database import Database, value
from tests.moving.pair import Pair


def register_at_tick_1(pair: Pair) -> None:
    """As it is after an ini file was copied, where positions coincide."""
    value(pair.source, "select pgq.register_consumer_at(%s, %s, 1)", pair.queue, pair.consumer)


def disconnect_all(*pairs: Pair) -> None:
    """End every connection to their sources."""
    for pair in pairs:
        pair.source.close()
        with pair.source_db.connect(dbname="postgres") as conn:
            statement = "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            conn.execute(f"{statement} where datname = '{pair.source_db.name}'".encode())


def test_another_source_with_the_same_ticks_is_refused(pair: Pair, other: Pair) -> None:
    """The original skips the batch in silence: its ticks are those of the target's position."""
    # given a batch of the other source whose ticks coincide with those that were applied
    register_at_tick_1(other)
    assert other.produce(7, label="other") == pair.position
    # when a mover comes with it
    result = other.command(loop_delay=0.05)
    # then it is refused, naming both
    assert result.returncode == 1
    line = next(line for line in result.stderr.splitlines() if "another source" in line)
    assert f"database {pair.source_db.name}, queue {pair.queue}" in line
    assert f"database {other.source_db.name}, queue {other.queue}" in line
    assert "its own consumer_name" in line
    assert "--accept-source" in line
    # and nothing is changed: neither side
    assert other.subscription() is not None
    pair.produce(5, label="more")
    pair.move()
    pair.assert_identical()


def test_with_a_name_of_its_own_it_moves(pair: Pair, other: Pair) -> None:
    other.consumer = "another_name"
    other.register()
    other.produce(7, label="other")
    other.move()
    comparison = compare([pair.source_events, other.source_events], pair.target_events)
    assert comparison.identical, comparison


@pytest.mark.parametrize("switch", ["--register", "--unregister", "--reset", "--rewind"])
def test_a_position_is_safe_from_another_source(pair: Pair, other: Pair, switch: str) -> None:
    """The original's --register, --unregister and --reset delete it: the next batch is doubled."""
    before = (pair.position, pair.subscription())
    if switch != "--register":
        register_at_tick_1(other)
    result = other.command(switch)
    assert result.returncode == 1
    assert "belongs to another source" in result.stderr
    assert "Traceback" not in result.stderr
    assert (pair.position, pair.subscription()) == before
    # a batch that the target has is still recognised
    pair.produce(5, label="more")
    pair.mover().move_batch()
    pair.move()
    pair.assert_identical()


def test_a_source_that_has_moved_is_accepted(pair: Pair, other: Pair, other_db: Database) -> None:
    """The original cannot tell a moved source from another one."""
    # given a source that goes on in another database, with all its ticks
    pair.produce(5, label="waiting")
    disconnect_all(pair, other)
    with other_db.connect(dbname="postgres") as conn:
        conn.execute(f"drop database {other_db.name} with (force)".encode())
        conn.execute(f"create database {other_db.name} template {pair.source_db.name}".encode())
    pair.source_db = other_db
    pair.source = other_db.connect()
    assert "belongs to another source" in pair.command(loop_delay=0).stderr
    # when it is accepted
    result = pair.command("--accept-source").check()
    # then it is said what was taken for what, and all comes
    assert "it belongs to system" in result.stderr
    pair.produce(5, label="after")
    pair.command(loop_delay=0).check()
    pair.assert_identical()


def test_without_our_schema_it_works_as_the_original_and_warns(pair: Pair) -> None:
    """The position counts, as ever; that its source is not known is said."""
    pair.target.execute("set client_min_messages = warning; drop schema queue_mover cascade")
    pair.produce(5, label="more")
    result = pair.command(loop_delay=0).check()
    assert "does not remember which source" in result.stderr
    pair.assert_identical()
