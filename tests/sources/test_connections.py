"""The target is written through few connections, however many sources there are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.database import value
from testbed.processes import wait_until
from testbed.sessions import sessions
from tests.sources.many import PATIENCE, Many


@contextmanager
def watching(many: Many) -> Iterator[list[int]]:
    """The numbers of the job's connections to the target, looked at all the time."""
    seen: list[int] = []
    ending = threading.Event()

    def look() -> None:
        with many.target_db.connect() as conn:
            while not ending.is_set():
                seen.append(len(sessions(many.target_db, conn, many.job)))
                ending.wait(0.002)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ending.set()
        thread.join()


@pytest.mark.parametrize("size", [1, 3])
def test_never_more_than_dst_connections(many: Many, size: int) -> None:
    # given twelve sources with several batches each
    many.main.update(dst_connections=size, max_batch_events=0)
    many.crowd(9)
    many.register()
    many.produce(20, ticks=5)
    # when all work at once
    with watching(many) as seen:
        many.drain().check()
    # then
    assert max(seen) == size
    many.assert_identical()


def test_the_default_is_four(many: Many) -> None:
    many.crowd(5)
    many.register()
    many.produce(5)
    # given a target that takes nothing, so that all want a connection at once
    with many.held(), watching(many) as seen:
        process = many.launch()
        many.wait_for_lock(4)
        many.until(lambda: all(many.backends(name) for name in many.sources), "all")
    many.wait_for(**dict.fromkeys(many.sources, 5))
    assert max(seen) == 4
    assert process.stop() == 0
    many.assert_identical()


def test_idle_sources_hold_none(many: Many) -> None:
    """Given eight idle sources, when the few connections are cut, then none comes back."""
    many.crowd(5)
    process = many.start()
    many.until(lambda: all(many.backends(name) for name in many.sources), "all")
    many.target.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s",
        [many.job],
    )
    # when the sources have been asked for news, again and again
    before = {name: query_starts(many, name) for name in many.sources}
    many.until(
        lambda: all(query_starts(many, name) > before[name] for name in many.sources),
        "a look at each source",
    )
    # then the target knows nothing of it
    assert many.backends("target") == set()
    assert many.errors() == []
    # when there is work, then one connection is enough for it
    many.sources["shard1"].produce(3)
    many.wait_for(shard1=3)
    assert len(many.backends("target")) == 1
    assert process.stop() == 0


def query_starts(many: Many, name: str) -> str:
    """When the mover last asked its source something."""
    statement = (
        "select max(query_start)::text from pg_stat_activity"
        " where datname = current_database() and application_name = %s"
    )
    return str(value(many.sources[name].conn, statement, many.job))


def test_a_source_whose_batch_is_held_leaves_the_other_connections_to_others(many: Many) -> None:
    many.main["dst_connections"] = 2
    with many.held(many.apart("shard0")):
        process = many.start()
        many.sources["shard0"].produce(1)
        many.wait_for_lock()
        for name in ("shard1", "shard2"):
            many.sources[name].produce(4)
        many.wait_for(shard1=4, shard2=4)
    many.wait_for(f"{many.target_queue}_shard0", shard0=1)
    assert process.stop() == 0


def test_two_targets_have_a_pool_each(many: Many) -> None:
    """Given a source with a target of its own, then the limit is for each target."""
    many.main["dst_connections"] = 1
    many.section("shard0")["dst_db"] = many.target_db.conninfo(application_name="another")
    many.register()
    many.produce(3)
    many.drain().check()
    many.assert_identical()


def test_a_changed_lifetime_and_name_reach_the_target(many: Many) -> None:
    """Given connections that have been open, when the config changes, then they follow it."""
    process = many.start()
    many.sources["shard0"].produce(1)
    many.wait_for(shard0=1)
    many.main["connection_lifetime"] = "0.1"
    many.reload(process)
    seen: set[int] = set()
    moved = 1

    def replaced() -> bool:
        nonlocal moved
        moved += 1
        many.sources["shard0"].produce(1, first=moved)
        many.wait_for(shard0=moved)
        seen.update(many.backends("target"))
        return len(seen) >= 4

    wait_until(replaced, PATIENCE / 2, "new connections", interval=0.2)
    assert process.stop() == 0
