"""The procedures of docs/renaming.md, run as they are written there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.cluster import SUPERUSER, Cluster
from testbed.processes import Processes, Result, run, script, wait_until
from testbed.queues import create_queue, install_pgq, install_pgq_ext, produce, tick
from tests.docs.pages import ROOT, blocks

PAGE = (ROOT / "docs" / "renaming.md").read_text()
OLD, NEW = "events_to_central.shard8", "events_to_central.riga"


def commands(title: str) -> list[str]:
    """The command lines under a heading."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for block in blocks(section) for line in block.text.splitlines()]
    return [line for line in lines if line.startswith("queue_mover3 ")]


class World:
    """The servers of the page, all on one machine, and the folder with its file."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder = folder
        self.text = next(block.text for block in blocks(PAGE) if block.is_ini)
        self._processes = Processes()
        self._env = {
            "PATH": f"{Path(script('queue_mover3')).parent}:/usr/bin:/bin",
            "PGHOSTADDR": "127.0.0.1",
            "PGPORT": str(cluster.port),
            "PGUSER": SUPERUSER,
        }
        self.app8, self.app9, self.central = (
            cluster.database(name).connect() for name in ("app8", "app9", "central")
        )
        self.write(self.text)

    def write(self, text: str) -> None:
        """Write the file of the page, changed."""
        (self.folder / "movers.ini").write_text(text)

    def rename(self, *lines: str) -> None:
        """The section of shard8 becomes that of riga."""
        self.write(self.text.replace("[source:shard8]", "\n".join(["[source:riga]", *lines])))

    def enter(self, line: str) -> Result:
        """Run a line."""
        return run(["bash", "-c", line], cwd=self.folder, env=self._env)

    def start(self) -> int:
        """Start the daemon; its process id."""
        self.enter("queue_mover3 -d movers.ini").check()
        return self._processes.adopt(self.folder / "movers.pid")

    def stop(self, pid: int) -> None:
        """Stop the daemon."""
        self.enter("queue_mover3 -s movers.ini").check()
        self._processes.wait_for_end(pid)

    def produce(self, count: int) -> None:
        """Events in both queues, and ticks."""
        for conn in (self.app8, self.app9):
            produce(conn, "eventlog", count)
            tick(conn, "eventlog")

    def move(self) -> Result:
        """Move all there is."""
        return self.enter("queue_mover3 --set loop_delay=0 movers.ini")

    def arrived(self) -> int:
        """How many events the target has."""
        row = self.central.execute("select count(*) from pgq.event_1").fetchone()
        assert row is not None
        return int(row[0])

    def consumers(self) -> set[str]:
        """Who is registered on shard8's queue."""
        rows = self.app8.execute("select consumer_name from pgq.get_consumer_info('eventlog')")
        return {row[0] for row in rows}

    def positions(self) -> set[str]:
        """Who has a position on the target."""
        return {row[0] for row in self.central.execute("select * from pgq_ext.completed_tick")}

    def end(self) -> None:
        """Kill what still runs."""
        self._processes.kill()
        for conn in (self.app8, self.app9, self.central):
            conn.close()


@pytest.fixture(scope="module")
def cluster(private_cluster: Callable[..., Cluster]) -> Cluster:
    """One server for all tests of the page."""
    return private_cluster("renaming")


@pytest.fixture
def world(tmp_path: Path, cluster: Cluster) -> Iterator[World]:
    """Ten events have been moved from each shard, and ten wait."""
    for name in ("app8", "app9", "central"):
        with cluster.create_database(name).connect() as conn:
            conn.execute("set client_min_messages = warning")
            install_pgq(conn)
            if name == "central":
                install_pgq_ext(conn)
            create_queue(conn, "all_events" if name == "central" else "eventlog")
    made = World(tmp_path, cluster)
    made.move().check()
    made.produce(10)
    made.move().check()
    made.produce(10)
    assert made.arrived() == 20
    yield made
    made.end()
    for name in ("app8", "app9", "central"):
        cluster.drop_database(name)


def test_rename_and_keep_the_position(world: World) -> None:
    pid = world.start()
    world.rename()
    take_over, reload = commands("Rename a source, keep its position")
    world.enter(take_over).check()
    world.enter(reload).check()
    wait_until(lambda: world.arrived() == 40, 60, "all events")
    assert (world.consumers(), OLD in world.positions()) == ({NEW}, False)
    world.stop(pid)


def test_rename_and_keep_the_name(world: World) -> None:
    world.rename(f"consumer_name = {OLD}")
    assert f"consumer_name = {OLD}" in PAGE
    world.move().check()
    assert (world.arrived(), world.consumers()) == (40, {OLD})


def test_a_rename_alone_is_refused_in_the_words_of_the_page(world: World) -> None:
    world.rename()
    refused = world.move()
    assert refused.returncode == 1
    quoted = next(block.text for block in blocks(PAGE) if block.text.startswith("consumer "))
    words = " ".join(quoted.split()).partition(" up to tick")[0]
    assert words in refused.stderr


def test_rename_and_start_anew(world: World) -> None:
    world.rename()
    (register,) = commands("Rename a source, start at the newest tick")
    told = world.enter(register).check().stderr
    assert f"--consumer {OLD} --unregister" in told
    world.move().check()
    assert (world.arrived(), world.consumers()) == (30, {OLD, NEW})


def test_remove_while_the_section_is_there(world: World) -> None:
    pid = world.start()
    wait_until(lambda: world.arrived() == 40, 60, "all events")
    world.enter(commands("Remove a source")[0]).check()
    log = world.folder / "movers.log"
    wait_until(lambda: f'"{OLD}" was unregistered' in log.read_text(), 60, "the line in the log")
    assert (world.consumers(), OLD in world.positions()) == (set(), False)
    world.write(
        world.text.partition("[source:shard8]")[0] + "[source:shard9]\nsrc_db = dbname=app9"
    )
    world.enter("queue_mover3 -r movers.ini").check()
    world.stop(pid)
    assert "ERROR" not in log.read_text()


@pytest.mark.parametrize("number", [1, 2], ids=["with --set", "by another section"])
def test_remove_when_the_section_has_gone(world: World, number: int) -> None:
    world.rename()
    world.enter(commands("Remove a source")[number]).check()
    assert (world.consumers(), OLD in world.positions()) == (set(), False)


def test_two_movers_of_one_queue(world: World) -> None:
    with world.central.transaction():
        create_queue(world.central, "second")
    text = world.text.partition("[source:shard8]")[0].replace("all_events", "second")
    text = text.replace("job_name       = events_to_central", "job_name = second\n")
    (world.folder / "second.ini").write_text(text + "src_db = dbname=app8\n")
    assert world.enter("queue_mover3 second.ini").returncode == 1
    (register,) = commands("Two movers of one queue")
    world.enter(register).check()
    world.enter("queue_mover3 --set loop_delay=0 second.ini").check()


def test_no_command_is_left_out() -> None:
    """What the tests above enter is all there is."""
    lines = [line for block in blocks(PAGE) for line in block.text.splitlines()]
    assert len([line for line in lines if line.startswith("queue_mover3 ")]) == 7
