"""Each queue of a list is moved on its own: found, left out, dropped, away."""

import signal
import socket
from collections.abc import Iterator

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.queues import create_queue, last_tick, produce, tick
from tests.queues.world import World, renamed

NOWHERE = "host=127.0.0.1 port=1"


def test_each_queue_has_its_own_consumer_and_position(world: World) -> None:
    # given two queues that a pattern finds, one that is named, one left out
    world.create("a", "b", "named", "audit")
    world.main["queue_name"] = f"{world.queue('?')}, {world.queue('named')}, !{world.queue('aud*')}"
    moved = ("a", "b", "named")
    world.drain().check()
    for number, name in enumerate(moved, 1):
        world.produce(name, 10 * number)
    world.produce("audit", 5)
    # when
    world.drain().check()
    # then all is moved, under names of its own, on either side
    world.assert_identical(*moved)
    assert world.target_queues() == {world.queue(name) for name in moved}
    consumers = {name: f"{world.name}.{world.queue(name)}" for name in moved}
    assert world.consumers() == {(world.queue(name), consumers[name]) for name in moved}
    rows = world.target.execute(
        "select consumer_id, last_tick_id from pgq_ext.completed_tick where consumer_id = any(%s)",
        [list(consumers.values())],
    )
    assert {row[0]: row[1] for row in rows} == {
        consumers[name]: last_tick(world.source, world.queue(name)) for name in moved
    }
    # and the status, and the switches, know them by their names
    status = world.run("--status", "--source", world.queue("b"))
    assert world.queue("b") in status.stdout
    assert world.queue("a") not in status.stdout
    world.run("--unregister", "--source", world.queue("a")).check()
    assert {queue for queue, _ in world.consumers()} == {world.queue("b"), world.queue("named")}


def test_a_second_queue_renames_nothing(world: World) -> None:
    # given a file with one queue, and events that wait
    world.create("a", "b")
    world.main["queue_name"] = world.queue("a")
    world.drain().check()
    world.produce("a", 10)
    # when it gets a second queue, while events come, and the mover is restarted once more
    world.main["queue_name"] = world.queue("*")
    world.drain().check()
    world.produce("a", 10, first=11)
    world.produce("b", 5)
    world.drain().check()
    # then nothing is lost, and the first queue has its consumer still
    world.assert_identical("a", "b")
    assert world.consumers() == {
        (world.queue("a"), world.name),
        (world.queue("b"), f"{world.name}.{world.queue('b')}"),
    }


def test_one_queue_has_the_same_log_with_and_without_the_new_keys(world: World) -> None:
    """Consumer, statistics line and position are those of a file of today."""
    world.create("a")
    create_queue(world.target, world.queue("a"))
    world.main |= {"queue_name": world.queue("a"), "dst_queue_name": world.queue("a")}
    world.drain().check()
    world.produce("a", 3)
    world.main |= {"dst_queue_name": "%(queue)s"}
    world.drain().check()
    world.assert_identical("a")
    assert world.consumers() == {(world.queue("a"), world.name)}
    assert "source: " not in world.log
    assert "{count: 3, duration: " in world.log
    assert "Created" not in world.log


def test_a_queue_that_is_created_later_is_moved_from_its_first_event(world: World) -> None:
    # given a process whose pattern has found one queue
    world.create("a")
    process = world.start()
    world.registered("a")
    # when another is created and used before anybody looks
    world.create("new", ticker_max_lag="7 seconds")
    world.produce("new", 10)
    # then all of its events are moved, and the first mover is undisturbed
    world.arrived("new", 10)
    world.produce("a", 5)
    world.arrived("a", 5)
    assert process.stop() == 0
    world.assert_identical("a", "new")
    assert f"sources: start {world.queue('new')}" in world.log
    row = world.target.execute(
        "select queue_ticker_max_lag::text from pgq.queue where queue_name = %s",
        [world.queue("new")],
    ).fetchone()
    assert row == ("00:00:07",)


def test_a_queue_that_is_dropped_ends_its_mover_calmly(world: World) -> None:
    # given
    world.create("a", "gone")
    process = world.start()
    world.registered("a", "gone")
    world.produce("gone", 5)
    world.arrived("gone", 5)
    # when
    world.source.execute("select pgq.drop_queue(%s, true)", [world.queue("gone")])
    # then it is logged once, as no error, and the other one moves on
    gone = world.queue("gone")
    world.logged(f'WARNING {gone}: queue "{gone}" was dropped from the source: its mover ends; ')
    world.logged(f"sources: stop {gone}")
    world.produce("a", 5)
    world.arrived("a", 5)
    assert "ERROR" not in world.log
    assert world.log.count("was dropped") == 1
    # when the last one is dropped as well, then the process waits for the next
    world.source.execute("select pgq.drop_queue(%s, true)", [world.queue("a")])
    world.logged(f'no queue matches "{world.queue("*")}" (existing: ')
    world.create("later")
    world.produce("later", 5)
    world.arrived("later", 5)
    assert process.stop() == 0
    assert "ERROR" not in world.log


def test_a_named_queue_that_is_dropped_is_an_error(world: World) -> None:
    world.create("a", "gone")
    world.main["queue_name"] = f"{world.queue('gone')}, {world.queue('a*')}"
    process = world.start()
    world.registered("a", "gone")
    world.source.execute("select pgq.drop_queue(%s, true)", [world.queue("gone")])
    world.logged(f'ERROR {world.queue("gone")}: source database: no queue "{world.queue("gone")}"')
    world.produce("a", 5)
    world.arrived("a", 5)
    assert process.stop() == 0


@pytest.fixture
def maintenance(source_cluster: Cluster) -> Iterator[psycopg.Connection]:
    with source_cluster.connect() as conn:
        yield conn


@pytest.mark.parametrize("switches", [[], ["-d"]], ids=["foreground", "daemon"])
def test_a_source_that_is_away_keeps_no_other_from_its_work(
    world: World, maintenance: psycopg.Connection, source_cluster: Cluster, switches: list[str]
) -> None:
    # given a source that cannot be read yet, beside one that can
    world.create("a")
    away = f"{world.name}_away_source"
    database = source_cluster.create_database(away, "template_pgq")
    with database.connect() as conn:
        create_queue(conn, world.queue("there"))
    here = world.main.pop("src_db")
    world.sections = {
        "source:here": {"src_db": str(here)},
        "source:away": {"src_db": database.conninfo()},
    }
    with renamed(maintenance, away):
        # when, then a drain does what can be done, and fails
        world.produce("a", 1)
        drained = world.drain()
        assert drained.returncode == 1
        assert "ERROR away: source database not available: " in world.log
        # when, then a service starts, and says so once
        process = world.start(*switches)
        world.produce("a", 5, first=2)
        world.arrived("a", 5)
        assert world.log.count("ERROR away: ") == 2
        status = world.run("--status")
        assert (status.returncode, "away: source database not" in status.stderr) == (2, True)
        assert "remedy: check the server, and src_db" in status.stderr
    # when it is back, then its queues are found without a reload
    world.until(
        lambda: world.queue("there") in world.target_queues(), "the queue of the source that came"
    )
    world.logged(f"sources: start away/{world.queue('there')}; stop away")
    with database.connect() as conn:
        produce(conn, world.queue("there"), 3)
        tick(conn, world.queue("there"))
    world.arrived("there", 3)
    assert world.run("-s", "--wait").returncode == 0
    assert process.wait() == 0
    source_cluster.drop_database(away)


def test_a_source_that_does_not_answer_keeps_no_other_from_its_work(world: World) -> None:
    """Given a server that takes connections and says nothing, then the others start, are found and
    reloaded, and the process can be stopped."""
    world.create("a")
    here = world.main.pop("src_db")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        world.sections = {
            "source:frozen": {"src_db": f"host=127.0.0.1 port={port} connect_timeout=600"},
            "source:here": {"src_db": str(here)},
        }
        process = world.start()
        world.registered("a")
        world.create("b")
        world.registered("b")
        world.reload(process)
        world.produce("b", 3)
        world.arrived("b", 3)
        assert process.stop(signal.SIGTERM) == 128 + signal.SIGTERM


def test_a_source_that_goes_away_later_keeps_its_queues(
    world: World, maintenance: psycopg.Connection, source_cluster: Cluster
) -> None:
    """Given refreshes that fail, then the movers are those of before."""
    world.create("a")
    name = f"{world.name}_later"
    database = source_cluster.create_database(name, "template_pgq")
    with database.connect() as conn:
        create_queue(conn, world.queue("there"))
    here = world.main.pop("src_db")
    world.sections = {
        "source:here": {"src_db": str(here)},
        "source:later": {"src_db": database.conninfo()},
    }
    process = world.start()
    world.until(lambda: world.queue("there") in world.target_queues(), "both queues")
    world.registered("a")
    maintenance.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
    )
    with renamed(maintenance, name):
        world.logged(f"ERROR later/{world.queue('there')}: source database not available")
        world.create("b")
        world.registered("b")
        world.reload(process)
    world.logged(f"later/{world.queue('there')}: recovered")
    assert process.stop(signal.SIGINT) == 0
    assert "sources: stop" not in world.log
    source_cluster.drop_database(name)


def test_a_list_without_any_queue_fails_a_drain_only(world: World) -> None:
    result = world.drain()
    assert result.returncode == 1
    words = f'source database: no queue matches "{world.queue("*")}" (existing: '
    assert f"ERROR {words}" in world.log
    checked = world.run("--check")
    assert (checked.returncode, words in checked.stdout) == (2, True)
    process = world.start()
    world.logged(f"WARNING {words}")
    world.create("a")
    world.registered("a")
    assert process.stop() == 0


def test_without_refresh_only_a_reload_finds_a_queue(world: World) -> None:
    world.main["refresh"] = "0"
    world.create("a")
    process = world.start()
    world.registered("a")
    world.create("b")
    world.produce("b", 2)
    world.reload(process)
    world.arrived("b", 2)
    assert process.stop() == 0


def test_what_was_unregistered_stays_so_until_a_reload(world: World) -> None:
    """Given a queue with the plain consumer of a file with one queue, then a refresh gives it no
    other name."""
    world.create("a")
    world.main["queue_name"] = world.queue("a")
    world.drain().check()
    world.main["queue_name"] = world.queue("*")
    process = world.start()
    world.until(lambda: world.log.count(" started: ") == 2, "the start")
    world.create("b")
    world.registered("b")
    world.run("--unregister", "--source", world.queue("a")).check()
    world.logged(f'consumer "{world.name}" was unregistered')
    world.create("c")
    world.registered("c")
    assert world.queue("a") not in {queue for queue, _ in world.consumers()}
    assert process.stop() == 0
