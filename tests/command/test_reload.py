"""HUP: between two batches the new config takes over; a bad one does not."""

import signal
import time
from pathlib import Path

import pytest

from testbed.database import Database
from testbed.events import Event, insert_events, read_events
from testbed.processes import Process, wait_until
from testbed.queues import create_queue, insert_event, tick
from tests.command.world import PATIENCE, World


def reload(world: World, process: Process, **changes: object) -> None:
    world.write(**changes)
    before = world.log.count("Config reloaded")
    process.send(signal.SIGHUP)
    world.logged("Config reloaded", before + 1)


def produce_for(world: World, *tables: str) -> None:
    insert_events(world.source, world.source_queue, [Event(extra1=table) for table in tables])
    tick(world.source, world.source_queue)


def moved(world: World) -> list[str | None]:
    return [event.extra1 for event in read_events(world.target_db, world.target_queue)]


def test_the_table_filter_changes_and_goes(world: World) -> None:
    process = world.start(table_filter="a")
    expected = []
    for table_filter, arriving in [("a", ["a"]), ("b,c", ["b", "c"]), (None, ["a", "b", "c"])]:
        if table_filter != "a":
            reload(world, process, table_filter=table_filter)
        produce_for(world, "public.a", "public.b", "public.c")
        expected += [f"public.{name}" for name in arriving]
        world.wait_for_events(len(expected))
    assert moved(world) == expected
    assert process.stop() == 0


def test_another_target_database(world: World, target_db: Database) -> None:
    """The old program kept writing to the old one."""
    with target_db.connect() as conn:
        create_queue(conn, world.target_queue)
    process = world.start()
    world.produce(2)
    world.wait_for_events(2)
    reload(world, process, dst_db=target_db.conninfo())
    world.produce(3)
    world.wait_for_events(3, target_db)
    assert world.arrived() == 2
    wait_until(lambda: not world.backends(world.target), PATIENCE, "the old connections to go")
    assert process.stop() == 0


def test_another_target_queue(world: World) -> None:
    create_queue(world.target, "other_target")
    process = world.start()
    world.produce(2)
    world.wait_for_events(2)
    reload(world, process, dst_queue_name="other_target")
    world.produce(3, first=3)
    wait_until(
        lambda: len(read_events(world.target_db, "other_target")) == 3, PATIENCE, "the events"
    )
    assert world.arrived() == 2
    assert process.stop() == 0


def test_another_source_queue(world: World) -> None:
    create_queue(world.source, "other_source")
    world.source.execute("select pgq.register_consumer('other_source', 'other_consumer')")
    process = world.start()
    reload(world, process, queue_name="other_source", consumer_name="other_consumer")
    insert_event(world.source, "other_source", "t", "other")
    tick(world.source, "other_source")
    world.wait_for_events(1)
    world.produce(1)
    time.sleep(0.5)
    assert [event.data for event in read_events(world.target_db, world.target_queue)] == ["other"]
    assert process.stop() == 0


BAD: list[tuple[dict[str, object], str]] = [
    ({"loop_delay": "soon"}, "loop_delay: 'soon' is not a number"),
    ({"dst_db": "hunter2secret"}, "dst_db: not a connect string"),
    ({"queue_name": None}, "queue_name: missing from [queue_mover3]"),
    ({"logfile": "/dev/null/mover.log"}, "logfile: cannot write /dev/null/mover.log"),
    ({"use_skylog": 2, "skylog_locations": "missing.ini"}, "skylog.ini not found"),
    ({"pidfile": "~nobody-of-that-name/x"}, "pidfile: "),
]


@pytest.mark.parametrize(("changes", "told"), BAD, ids=[" ".join(row[0]) for row in BAD])
def test_a_bad_value_keeps_the_running_config(
    world: World, changes: dict[str, object], told: str
) -> None:
    process = world.start()
    world.write(**changes)
    process.send(signal.SIGHUP)
    world.logged("ERROR Config not reloaded, keeping the running one: ")
    assert told in world.log
    assert "hunter2secret" not in world.log
    world.produce(2)
    world.wait_for_events(2)
    world.logged("{count: 2, ")
    assert process.stop() == 0


def test_a_file_that_is_gone_keeps_the_running_config(world: World) -> None:
    process = world.start()
    world.config.unlink()
    process.send(signal.SIGHUP)
    world.logged("keeping the running one: Config file not found")
    world.produce(2)
    world.wait_for_events(2)
    assert process.stop() == 0


def test_the_log_file_is_opened_anew(world: World) -> None:
    """As logrotate wants it: rename, then HUP."""
    process = world.start()
    world.logged("")
    renamed = Path(world.directory / "mover.log").rename(world.directory / "mover.log.1")
    reload(world, process)
    before = renamed.read_text()
    world.produce(2)
    world.logged("{count: 2, ")
    assert renamed.read_text() == before
    assert process.stop() == 0


def test_another_log_file_and_level_of_detail(world: World) -> None:
    process = world.start()
    world.write(logfile=world.directory / "other.log", logfmt_file="other: %%(message)s")
    process.send(signal.SIGHUP)
    other = world.directory / "other.log"
    wait_until(lambda: other.exists() and other.read_text(), PATIENCE, "the other log")
    assert other.read_text().startswith("other: Config reloaded\n")
    assert process.stop() == 0


def test_a_shorter_sleep_takes_effect_at_once(world: World) -> None:
    process = world.start(loop_delay=60)
    reload(world, process, loop_delay=0.05)
    world.produce(2)
    world.wait_for_events(2)
    assert process.stop() == 0


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_shorter_lifetime_of_connections_takes_effect(world: World, side: str) -> None:
    process = world.start(connection_lifetime=1200)
    reload(world, process, connection_lifetime=0.2)
    world.produce(1)
    world.wait_for_events(1)
    database = {"source": world.source, "target": world.target}[side]
    before = world.backends(database)
    time.sleep(0.5)
    world.produce(1)
    world.wait_for_events(2)
    assert world.backends(database).isdisjoint(before)
    assert process.stop() == 0


def test_an_unchanged_config_keeps_the_connections(world: World) -> None:
    process = world.start()
    world.produce(2)
    world.wait_for_events(2)
    before = world.backends(world.source), world.backends(world.target)
    reload(world, process)
    world.produce(2)
    world.wait_for_events(4)
    assert (world.backends(world.source), world.backends(world.target)) == before
    assert process.stop() == 0


def test_it_takes_over_after_the_running_batch(world: World) -> None:
    with world.stalled():
        produce_for(world, "public.a", "public.b")
        process = world.start()
        world.wait_for_stall()
        reload(world, process, table_filter="b")
    produce_for(world, "public.a", "public.b")
    world.wait_for_events(3)
    assert moved(world) == ["public.a", "public.b", "public.b"]
    assert process.stop() == 0


def test_a_change_taken_back_during_a_batch(world: World) -> None:
    """Given a long batch, when reloaded with a change and again without, then it goes on."""
    with world.stalled_batch(2) as process:
        reload(world, process, table_filter="b")
        reload(world, process)
    world.wait_for_events(2)
    world.produce(3, first=3)
    world.wait_for_events(5)
    assert process.stop() == 0


def test_hup_while_stopping_changes_nothing(world: World) -> None:
    with world.stalled_batch(2) as process:
        process.send(signal.SIGINT)
        time.sleep(0.2)
        process.send(signal.SIGHUP)
        time.sleep(0.2)
    assert process.wait() == 0
    assert world.identical()


def test_a_daemon_reloads_relative_paths(world: World) -> None:
    world.run("-d", pidfile="run.pid", logfile="mover.log").check()
    pid = world.adopt(world.directory / "run.pid")
    world.produce(1)
    world.wait_for_events(1)
    (world.directory / "mover.log").rename(world.directory / "old.log")
    world.run("-r", pidfile="run.pid", logfile="mover.log").check()
    world.logged("Config reloaded")
    world.run("-s", pidfile="run.pid", logfile="mover.log").check()
    world.stopped(pid)
