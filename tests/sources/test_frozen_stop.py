"""Told to stop while a server does not answer: that wait has an end."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.processes import Process
from testbed.queues import qualified, queue_table
from testbed.sessions import backends
from tests.sources.many import PATIENCE, Many

IMPATIENT = """
import sys
from queue_mover.service import stalls
from queue_mover.cli import queue_mover3
stalls.UNANSWERED = 1.5
sys.argv[0] = "queue_mover3"
sys.exit(queue_mover3.main())
"""
"""The program, which gives a silent server a second and a half instead of a minute."""

TOLD = "stopping, but a server has not answered for 1.5 s: connections closed"


@pytest.fixture
def impatient(many: Many) -> Iterator[Process]:
    """One process for all shards, at work."""
    command: list[str | Path] = [sys.executable, "-c", IMPATIENT, many.write()]
    with Process(command, many.directory, name="impatient") as process:
        for name in many.sources:
            many.registered(name)
        yield process


@contextlib.contextmanager
def frozen_backends(many: Many, name: str) -> Iterator[None]:
    """Freeze the server processes that serve a side of the movers."""
    conn = many.target if name == "target" else many.sources[name].conn
    pids = backends(conn, many.job)
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_source_that_freezes_before_it_hears_of_the_last_batch(
    many: Many, impatient: Process
) -> None:
    with contextlib.ExitStack() as stack:
        # given a batch on its way, whose source freezes
        with many.held():
            many.sources["shard1"].produce(3)
            many.wait_for_lock()
            stack.enter_context(frozen_backends(many, "shard1"))
            # when told to stop
            impatient.send(signal.SIGINT)
        many.wait_for(shard1=3)
        # then it ends, says why, and tells by its exit code that not all is in order
        assert impatient.wait() == 1
    assert many.log.count(f"WARNING shard1: {TOLD}") == 1
    assert f"shard0: {TOLD}" not in many.log
    assert many.log.splitlines()[-1].endswith(
        " WARNING ended with exit code 1: stopped by SIGINT, and a server did not answer"
    )
    assert "Traceback" not in many.log
    # and the next start sets it right
    many.drain().check()
    many.assert_identical()
    assert all(many.finished(name) for name in many.sources)


def test_a_target_that_freezes_in_a_batch(many: Many, impatient: Process) -> None:
    with many.held():
        for source in many.sources.values():
            source.produce(3)
        many.wait_for_lock(3)
        with frozen_backends(many, "target"):
            impatient.send(signal.SIGINT)
            assert impatient.wait() == 1
    assert many.log.count(TOLD) == 3
    assert many.log.count("batch abandoned; it will be replayed") == 3
    many.until(lambda: not many.backends("target"), "the end of its sessions")
    many.drain().check()
    many.assert_identical()


def test_a_connect_that_hangs(many: Many, impatient: Process, source_cluster: Cluster) -> None:
    """Given a server that takes connections and says nothing, and no timeout in the file."""
    impatient.stop()
    for name in many.sources:
        many.section(name)["src_db"] = f"{many.section(name)['src_db']} connect_timeout=0"
    command: list[str | Path] = [sys.executable, "-c", IMPATIENT, many.write()]
    with source_cluster.frozen(), Process(command, many.directory, name="hangs") as process:
        process.wait_for_output("started: job")
        process.send(signal.SIGINT)
        assert process.wait() == 1
    assert many.log.count(TOLD) == 3


def test_a_source_that_leaves_the_file_while_its_server_is_frozen(
    many: Many, impatient: Process
) -> None:
    """The process goes on: only that source is cut off, and others share the target's sessions."""
    with many.held(many.apart("shard1")):
        many.reload(impatient)
        many.sources["shard1"].produce(3)
        many.wait_for_lock()
        many.leave_out("shard1")
        many.reload(impatient)
        many.logged(f"WARNING shard1: {TOLD}")
        for name in ("shard0", "shard2"):
            many.sources[name].produce(20)
        many.wait_for(shard0=20, shard2=20)
    assert impatient.stop() == 0
    assert many.errors() == []


def test_a_slow_batch_is_no_stall(many: Many, impatient: Process) -> None:
    """Given a batch that takes far longer than the patience, but moves, then it is finished."""
    source = many.sources["shard0"]
    # each row takes its time on the target, so that no single answer does
    table = queue_table(many.target, many.target_queue)
    many.target.execute(
        "create or replace function public.slowly() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(0.03); return new; end $$"
    )
    for number in range(3):
        many.target.execute(
            b"create trigger slowly before insert on %b for each row execute function"
            b" public.slowly()" % qualified(f"{table}_{number}").as_bytes(many.target)
        )
    source.conn.execute(
        "select pgq.insert_event(%s, 't', 'shard0:' || repeat('x', 60000))"
        " from generate_series(1, 150)",
        [many.queue],
    )
    source.produce(1)
    many.until(lambda: many.backends("target"), "a batch on its way")
    impatient.send(signal.SIGINT)
    assert impatient.wait(PATIENCE) == 0
    assert TOLD not in many.log
