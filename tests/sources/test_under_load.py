"""Sources are added, removed, changed and fail while events keep coming; then all are compared."""

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.processes import Process
from testbed.queues import produce, tick
from tests.sources.many import Many, Source
from tests.sources.texts import statistics


@contextmanager
def load(sources: list[Source]) -> Iterator[None]:
    """Events and ticks at all sources, as long as the block lasts."""
    ending = threading.Event()

    def keep_producing() -> None:
        chance = random.Random(1)
        connections = [source.database.connect() for source in sources]
        first = 1
        while not ending.is_set():
            for source, conn in zip(sources, connections, strict=True):
                count = chance.randrange(1, 30)
                produce(conn, source.queue, count, first=first, label=source.name)
                tick(conn, source.queue)
            first += 30
        for conn in connections:
            conn.close()

    thread = threading.Thread(target=keep_producing)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def flow(many: Many, *names: str) -> None:
    """Wait until more has come from each of these sources."""
    before = many.arrived()
    many.until(
        lambda: all(many.arrived().get(name, 0) > before.get(name, 0) for name in names),
        f"more from {names}",
    )


def change_and_remove(many: Many, process: Process) -> None:
    """One source comes, one changes, one goes and comes back."""
    sections = dict(many.sections)
    many.leave_out("extra2")
    many.section("shard1").update(max_batch_events=20, exception_sleep="0.3")
    many.reload(process)
    flow(many, "shard1", "extra1")
    many.sections.update(sections)
    many.leave_out("shard2")
    many.main["dst_connections"] = 3
    many.reload(process)
    flow(many, "extra2", "shard0")
    many.sections.update(sections)
    many.reload(process)
    flow(many, "shard2", "shard1")


def fail(many: Many, process: Process) -> None:
    """Sessions end, a database goes away, a position is lost; HUP brings the latter back."""
    for conn in (many.target, many.sources["shard0"].conn):
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            [many.job],
        )
    flow(many, "shard0", "extra0")
    sound = many.section("shard2")["src_db"]
    many.section("shard2")["src_db"] = "host=127.0.0.1 port=1"
    many.reload(process)
    many.logged("ERROR shard2: source database not available")
    flow(many, "shard1", "extra2")
    many.section("shard2")["src_db"] = sound
    many.target.execute(
        "insert into pgq_ext.completed_tick (consumer_id, subconsumer_id, last_tick_id)"
        " values (%s, '', 7)",
        [many.consumer("newcomer")],
    )
    many.add("newcomer", many.sources["shard1"].database, f"{many.queue}_newcomer")
    many.reload(process)
    many.logged('ERROR newcomer: consumer "')
    flow(many, "shard0", "shard2")
    many.target.execute(
        "delete from pgq_ext.completed_tick where consumer_id = %s", [many.consumer("newcomer")]
    )
    many.reload(process)
    many.registered("newcomer")
    many.sources["newcomer"].produce(5)
    many.wait_for(newcomer=5)


def test_no_event_is_lost_doubled_or_changed(many: Many) -> None:
    # given six sources, one of them not in the file yet, and events all the time
    many.main.update(dst_connections=2, max_batch_events=100)
    many.crowd(3)
    many.register()
    late = many.sections.pop("source:extra2")
    with load(list(many.sources.values())):
        process = many.start()
        flow(many, "shard0", "extra0")
        many.sections["source:extra2"] = late
        # when
        many.reload(process)
        flow(many, "extra2")
        change_and_remove(many, process)
        fail(many, process)
        # and killed, and started again, and stopped
        process.kill()
        process = many.start()
        flow(many, *many.sources.keys() - {"newcomer"})
        assert process.stop(signal.SIGINT) == 0
    many.drain().check()
    # then
    many.assert_identical()
    assert set(statistics(many.log)) == set(many.sources)
    assert "Traceback" not in many.log
