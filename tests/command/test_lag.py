"""The four causes of a growing lag, made for real: `--status --json` names each.

docs/lag.md tells operators what they look like.
"""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from testbed.cluster import Cluster
from testbed.processes import wait_until
from testbed.queues import event_tables, locked_queue, produce, tick
from testbed.ticker import FAST_TICKS, start_pgqd
from tests.command.world import PATIENCE, World


def status(world: World) -> Any:
    """The one source, as --status --json prints it."""
    result = world.run("--status", "--json")
    assert result.stderr == ""
    (source,) = json.loads(result.stdout)["sources"]
    return source


def verdict(world: World, cause: str) -> Any:
    """Wait until it is this, as it takes some seconds; the whole source."""

    def named() -> Any:
        source = status(world)
        return source if source["verdict"]["cause"] == cause else None

    return wait_until(named, PATIENCE, f"the verdict {cause}", 0.5)


def age(conn: psycopg.Connection, queue: str, minutes: int) -> None:
    """Make the ticks of a queue older, as if that time had gone by."""
    conn.execute(
        "update pgq.tick set tick_time = tick_time - make_interval(mins => %s)"
        " where tick_queue = (select queue_id from pgq.queue where queue_name = %s)",
        [minutes, queue],
    )


@contextmanager
def slow_inserts(world: World) -> Iterator[None]:
    """A target that takes a tenth of a second for each event."""
    world.target.execute("""
        create function slow() returns trigger language plpgsql
        as $$ begin perform pg_sleep(0.1); return new; end $$
    """)
    tables = event_tables(world.target, world.target_queue)
    create = "create trigger slow before insert on {} for each row execute function slow()"
    for table in tables:
        world.target.execute(sql.SQL(create).format(table))
    yield
    for table in tables:
        world.target.execute(sql.SQL("alter table {} disable trigger slow").format(table))


def test_nothing_is_slow(world: World) -> None:
    world.start()
    world.produce(20)
    world.wait_for_events(20)
    source = verdict(world, "nothing")
    assert source["state"] == "running_here"


def test_the_ticker_has_stopped(world: World, source_cluster: Cluster) -> None:
    # given events that flow
    for key, setting in FAST_TICKS.items():
        world.source.execute(
            "select pgq.set_queue_config(%s, %s, %s)", [world.source_queue, key, setting]
        )
    world.start()
    with start_pgqd(source_cluster, [world.source_db.name]):
        produce(world.source, world.source_queue, 20)
        world.wait_for_events(20)
    # when the ticker ends, and events come for an hour
    produce(world.source, world.source_queue, 7, first=21)
    age(world.source, world.source_queue, minutes=60)
    # then
    source = verdict(world, "ticker")
    assert source["verdict"]["text"].startswith("source queue: no tick for 1h")
    assert "pgqadm.py CONFIG ticker" in source["verdict"]["remedy"]
    assert (source["new_events"], source["pending_events"]) == (7, 0)


def test_the_mover_was_killed(world: World) -> None:
    # given
    mover = world.start()
    world.produce(20)
    world.wait_for_events(20)
    assert status(world)["state"] == "running_here"
    # when
    mover.send(signal.SIGKILL)
    mover.wait()
    produce(world.source, world.source_queue, 7, first=21)
    # then
    source = verdict(world, "mover")
    assert (source["state"], source["pid"]) == ("not_running", None)
    assert source["verdict"]["text"] == "not running, 7 events waiting"
    assert "queue_mover3 -d CONFIG" in source["verdict"]["remedy"]


def test_the_target_is_blocked_by_a_lock(world: World) -> None:
    # given somebody who holds a lock on the event tables, and does nothing
    world.register()
    mover = world.start()
    with (
        world.target_db.connect(application_name="psql") as conn,
        locked_queue(conn, world.target_queue),
    ):
        world.produce(20)
        # then the session is named, and what ends it
        source = verdict(world, "target")
        text, remedy = source["verdict"]["text"], source["verdict"]["remedy"]
        pid = conn.info.backend_pid
        assert f"blocked on the target by pid {pid} (psql from 127.0.0.1), idle in trans" in text
        assert remedy.endswith(f"select pg_terminate_backend({pid})")
        assert source["batch_since_seconds"] > 0
        assert source["state"] == "running_here"
    # and when it has ended, all is well
    world.wait_for_events(20)
    verdict(world, "nothing")
    assert mover.stop() == 0


def test_the_target_is_slow(world: World) -> None:
    world.register()
    world.start()
    with slow_inserts(world):
        world.produce(400)
        source = verdict(world, "target")
        assert "waits for Timeout: PgSleep" in source["verdict"]["text"]
        assert source["state"] == "running_here"


def test_the_target_is_down(world: World, target_cluster: Cluster) -> None:
    world.register()
    world.produce(20)
    target_cluster.stop()
    source = verdict(world, "target")
    assert source["verdict"]["text"].startswith("target database not available: ")
    assert source["state"] == "unknown"
    target_cluster.start()
    world.reconnect()


@pytest.mark.parametrize("is_seen", [False, True], ids=["stopped", "slow"])
def test_nobody_reads_from_the_target(world: World, *, is_seen: bool) -> None:
    # given a consumer of the target queue, and events that have arrived
    queue = world.target_queue
    world.target.execute("select pgq.register_consumer(%s, 'loader')", [queue])
    world.start()
    world.produce(20)
    world.wait_for_events(20)
    tick(world.target, queue)
    # when it does not read for an hour
    age(world.target, queue, minutes=60)
    tick(world.target, queue)
    if not is_seen:
        world.target.execute(
            "update pgq.subscription set sub_active = sub_active - interval '1 hour'"
        )
    # then
    source = verdict(world, "reader")
    text = source["verdict"]["text"]
    assert text.startswith(f'consumer "loader" of target queue "{queue}"')
    assert ("has not read for 1h" in text) is not is_seen
    assert source["state"] == "running_here"


def test_the_ticker_of_the_target_has_stopped(world: World) -> None:
    """Given that, then what has arrived is seen by nobody who reads."""
    world.start()
    tick(world.target, world.target_queue)
    world.produce(20)
    world.wait_for_events(20)
    age(world.target, world.target_queue, minutes=60)
    source = verdict(world, "ticker")
    assert source["verdict"]["text"].startswith(f'target queue "{world.target_queue}": no tick')
