"""Processes whose many sources share transactions on the target, under faults."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.processes import Process, wait_until
from testbed.servers import new_database, with_pgq
from tests.sources.many import PATIENCE, Many

_numbers = count(7000)
SOURCES = 12
SHARED = " batches shared a transaction"
ALONE = ("--set", "pidfile=", "--set", "logfile=")
"""For a process beside the one that the file describes."""


@pytest.fixture(scope="module")
def crowded_databases(
    source_cluster: Cluster, target_cluster: Cluster
) -> Iterator[tuple[list[Database], Database]]:
    number = next(_numbers)
    with ExitStack() as stack, new_database(target_cluster, f"central{number}") as central:
        names = [f"shard{number}_{index}" for index in range(2)]
        yield [stack.enter_context(new_database(source_cluster, n)) for n in names], central


@pytest.fixture
def many(tmp_path: Path, crowded_databases: tuple[list[Database], Database]) -> Iterator[Many]:
    """Twelve sources, one connection to the target, one tick a batch."""
    with Many(next(_numbers), tmp_path, *crowded_databases) as made:
        made.main.update(dst_connections=1, max_batch_events=0)
        made.crowd(SOURCES - 2)
        made.register()
        yield made


def test_they_share(many: Many) -> None:
    many.produce(10, ticks=5)
    many.drain("-v").check()
    many.assert_identical()
    assert SHARED in many.log


def test_not_when_the_file_says_so(many: Many) -> None:
    many.main["share_transactions"] = 0
    many.produce(10, ticks=2)
    many.drain("-v").check()
    many.assert_identical()
    assert "shared a transaction" not in many.log


@pytest.fixture
def fifty(
    tmp_path: Path, private_cluster: Callable[..., Cluster], target_cluster: Cluster
) -> Iterator[Many]:
    """Fifty sources, on a server with room for two movers; two connections to the target."""
    server = with_pgq(private_cluster("fifty", max_connections=200))
    number = next(_numbers)
    with (
        new_database(server, f"shard{number}") as shard,
        new_database(target_cluster, f"central{number}") as central,
        Many(number, tmp_path, [shard], central) as made,
    ):
        made.main.update(dst_connections=2, max_batch_events=0)
        made.crowd(49)
        made.register()
        yield made


def test_two_movers_with_the_same_fifty_sources(fifty: Many) -> None:
    # given two movers for all sources, at the same time
    first, second = fifty.start("-v"), fifty.launch("-v", *ALONE)
    for number in range(4):
        fifty.produce(10)
        if number == 1:
            # and one of them dies
            first.send(signal.SIGKILL)
    third = fifty.launch("-v", *ALONE)
    fifty.produce(10)
    fifty.wait_for(**dict.fromkeys(fifty.sources, 50))
    assert [second.stop(), third.stop()] == [0, 0]
    # then nothing is lost or doubled, nobody was lost, and they have shared transactions
    fifty.assert_identical()
    for process in (first, second, third):
        assert "Lost position" not in process.stderr
        assert "Traceback" not in process.stderr
    assert SHARED in first.stderr + second.stderr


def wait_for_a_turn(process: Process) -> None:
    """Wait until batches have shared a transaction."""
    wait_until(lambda: SHARED in process.stderr, PATIENCE, "a turn")


def test_killed_again_and_again(many: Many) -> None:
    many.produce(20, ticks=10)
    for _ in range(4):
        process = many.launch("-v", *ALONE)
        wait_for_a_turn(process)
        process.send(signal.SIGKILL)
        process.wait()
    many.drain().check()
    many.assert_identical()


def produce_until_shared(many: Many, before: int) -> int:
    """Produce until more transactions were shared than before: after a failure nobody shares for a
    moment. How many ticks of twenty events each source has got."""
    ticks = 0
    while many.log.count(SHARED) <= before:
        ticks += 1
        assert ticks < 200, many.log
        for source in many.sources.values():
            source.produce(20, first=20 * ticks)
    return ticks


def test_the_target_crashes_again_and_again(many: Many, target_cluster: Cluster) -> None:
    process, count = many.launch("-v"), 0
    for _ in range(3):
        before = many.log.count(SHARED)
        count += produce_until_shared(many, before)
        target_cluster.stop("immediate")
        target_cluster.start()
    many.target = many.target_db.connect()
    many.wait_for(**dict.fromkeys(many.sources, 20 * count))
    assert process.stop() == 0
    many.assert_identical()
    assert "Lost position" not in many.log


def test_sources_come_and_go_at_a_reload(many: Many) -> None:
    process = many.start("-v")
    many.produce(10)
    many.wait_for(**dict.fromkeys(many.sources, 10))
    gone = many.sections.pop("source:extra0")
    many.reload(process)
    many.produce(10, ticks=3)
    many.wait_for(**{name: 40 for name in many.sources if name != "extra0"})
    many.sections["source:extra0"] = gone
    many.reload(process)
    many.wait_for(extra0=40)
    assert process.stop() == 0
    many.assert_identical()
