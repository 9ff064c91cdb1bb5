"""The page about moving a shard, entered line by line; then all events are counted."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from testbed.cluster import ENVIRONMENT, Cluster
from testbed.database import value
from testbed.events import read_events
from testbed.processes import wait_until
from testbed.programs import hand_over, postgres_bindir, run_as
from testbed.queues import create_queue, install_pgq, install_pgq_ext, produce
from testbed.reaper import REAPER
from tests.docs.pages import ROOT, blocks
from tests.docs.terminal import search_path
from tests.reliability.standby import standby_of

PAGE = (ROOT / "docs" / "moving-a-shard.md").read_text()
QUEUE, TARGET_QUEUE = "app_events", "all_events"
PATIENCE = 60.0
OF_THE_SERVER = ("pg_ctl", "pg_resetwal", "pg_upgrade")
"""Commands that only the owner of the data directory may run."""


def section(title: str, level: str = "##") -> list[str]:
    """The command lines under a heading, up to the next one."""
    text = re.split(r"\n#+ ", PAGE.partition(f"\n{level} {title}\n")[2])[0]
    return [line.strip() for block in blocks(text) for line in block.text.splitlines()]


def files() -> dict[str, str]:
    """The config files of the page, by their names."""
    (text,) = (block.text for block in blocks(PAGE) if block.is_ini)
    texts = re.split(r"\n(?=\[)", text)
    return dict(zip(("old.ini", "new.ini", "mover.ini"), texts, strict=True))


class Move:
    """An old server with a shard, a new one, and a central database; the page's files and words."""

    def __init__(self, old: Cluster, new: Cluster, central: Cluster) -> None:
        self.old, self.new, self.central = old, new, central
        self.folder = central.directory / "operator"
        self.folder.mkdir()
        hand_over(self.folder)
        # pg_ctl starts a server as its configuration says.
        for cluster in (old, new):
            cluster.configure({"port": cluster.port})
        services = {"old": (old, "shard"), "new": (new, "shard"), "central": (central, "central")}
        self._write(
            "services.conf",
            "\n".join(
                f"[{name}]\nhost=127.0.0.1\nport={cluster.port}\ndbname={dbname}\nuser=postgres"
                for name, (cluster, dbname) in services.items()
            ),
        )
        for name, text in files().items():
            self._write(name, text)
        bindir = postgres_bindir()
        self._env = {
            **ENVIRONMENT,
            "PATH": search_path(),
            "PGSERVICEFILE": str(self.folder / "services.conf"),
            "OLD": str(old.data_directory),
            "NEW": str(new.data_directory),
            "OLDBIN": str(bindir),
            "NEWBIN": str(bindir),
            "PGUSER": "postgres",
        }

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text + "\n")
        hand_over(self.folder / name)

    def prepare(self) -> None:
        """PgQ on both ends, a queue that an older one was before, and the programs at work."""
        with self.old.create_database("shard").connect() as conn:
            # As on a server that is older than the new one, which has just begun to count.
            for _ in range(300):
                conn.execute("select txid_current()")
            install_pgq(conn)
            create_queue(conn, QUEUE)
            conn.execute("select nextval(queue_event_seq) from pgq.queue")
            value(conn, "select pgq.register_consumer(%s, 'other')", QUEUE)
        with self.central.create_database("central").connect() as conn:
            install_pgq(conn)
            install_pgq_ext(conn)
            create_queue(conn, TARGET_QUEUE)
        self.enter("pgqadm.py -d old.ini ticker", "queue_mover3 -d mover.ini")
        self.produce("old", 10, "moved")
        self.arrived(10)

    def enter(self, *lines: str) -> str:
        """Enter lines, each of which has to succeed; what the last one printed."""
        said = ""
        for line in lines:
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self._env,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
                stdin=subprocess.DEVNULL,
                **(run_as() if line.startswith(OF_THE_SERVER) else {}),
            )
            self._watch()
            said = done.stdout + done.stderr
            assert done.returncode == 0, f"{line}\n{said}"
        return said

    def _watch(self) -> None:
        for pidfile in self.folder.glob("*.pid"):
            REAPER.watch_process(int(pidfile.read_text()))
        for cluster in (self.old, self.new):
            pid = server_pid(cluster)
            if pid:
                REAPER.watch_process(pid, signal.SIGQUIT)

    def connect(self, name: str) -> psycopg.Connection:
        """Connect to a shard, `old` or `new`."""
        return (self.old if name == "old" else self.new).connect("shard")

    def produce(self, name: str, count: int, label: str) -> None:
        """As the application does."""
        with self.connect(name) as conn:
            produce(conn, QUEUE, count, label=label)

    def count(self) -> int:
        """How many events the target has."""
        return len(read_events(self.central.database("central"), TARGET_QUEUE))

    def arrived(self, count: int) -> None:
        """Wait until the target has so many events."""
        wait_until(lambda: self.count() >= count, PATIENCE, f"{count} events", 0.2)

    def assert_all_once(self, **labels: int) -> None:
        """The target has so many events of each label, each once."""
        data = [str(e.data) for e in read_events(self.central.database("central"), TARGET_QUEUE)]
        found = sorted(":".join(text.split(":")[:2]) for text in data)
        assert found == sorted(
            f"{label}:{number}" for label, n in labels.items() for number in range(1, n + 1)
        )

    def assert_healthy(self) -> None:
        """Nothing is wrong, and PgQ's own counters go on."""
        said = self.enter("pgqadm.py new.ini status")
        assert "Invalid" not in said
        assert not re.search(r"^ +[A-Z] +app_events", said, re.MULTILINE), said
        self.enter(
            "pgqadm.py new.ini create another",
            "pgqadm.py new.ini register app_events another_consumer",
        )

    def end(self) -> None:
        """Kill what the lines have started."""
        for pidfile in self.folder.glob("*.pid"):
            kill(int(pidfile.read_text()), signal.SIGKILL)
        for cluster in (self.old, self.new):
            pid = server_pid(cluster)
            if pid and not cluster.running:
                kill(pid, signal.SIGQUIT)


def server_pid(cluster: Cluster) -> int | None:
    """Of the server in a data directory, whoever has started it."""
    pidfile = cluster.data_directory / "postmaster.pid"
    return int(pidfile.read_text().splitlines()[0]) if pidfile.exists() else None


def kill(pid: int, number: signal.Signals) -> None:
    """End a process, and wait for that."""
    try:
        os.kill(pid, number)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), PATIENCE, "its end")
    except ProcessLookupError:
        pass
    REAPER.forget_process(pid)


@pytest.fixture
def old() -> Iterator[Cluster]:
    """The old server."""
    with Cluster("old", settings={"wal_level": "replica"}) as cluster:
        yield cluster


@pytest.fixture
def central() -> Iterator[Cluster]:
    """The server of the target."""
    with Cluster("central") as cluster:
        yield cluster


@pytest.fixture
def new() -> Iterator[Cluster]:
    """The new server, after initdb."""
    cluster = Cluster("new")
    yield cluster
    cluster.destroy()


@pytest.fixture
def move(old: Cluster, new: Cluster, central: Cluster) -> Iterator[Move]:
    """All of them, with events on their way."""
    move = Move(old, new, central)
    move.prepare()
    yield move
    move.end()


def test_dump_and_restore(move: Move) -> None:
    move.new.start()
    lines = section("Dump and restore")
    assert len(lines) == 18
    # given events that wait, without a tick
    move.produce("old", 7, "waiting")
    # when
    move.enter(*lines)
    move.produce("new", 5, "after")
    # then
    move.arrived(22)
    move.assert_all_once(moved=10, waiting=7, after=5)
    move.assert_healthy()
    # and the consumer that came along gets all of them too
    with move.connect("new") as conn:
        assert read_all(conn, "other") == 22


def read_all(conn: psycopg.Connection, consumer: str) -> int:
    """Let a consumer read the queue; how many events it got."""
    count = 0
    while batch := value(conn, "select pgq.next_batch(%s, %s)", QUEUE, consumer):
        count += value(conn, "select count(*) from pgq.get_batch_events(%s)", batch)
        value(conn, "select pgq.finish_batch(%s)", batch)
    return count


def test_dump_and_restore_where_the_ids_were_forgotten(move: Move) -> None:
    move.new.start()
    lines = section("Dump and restore")
    raising = [n for n, line in enumerate(lines) if "epoch" in line or line.startswith("pg_ctl")]
    accept = next(n for n, line in enumerate(lines) if line.startswith("pgqadm.py -d new.ini"))
    move.produce("old", 7, "waiting")
    move.enter(*[line for n, line in enumerate(lines[:accept]) if n not in raising])
    move.enter("psql -d service=new -Atc 'select clock_timestamp()' > restored")
    # given producers that have begun, where nobody would ever read what they write
    move.produce("new", 3, "early")
    move.enter(lines[accept])
    # then the ticker, the status and the mover say what is wrong and what to do
    said = move.enter("pgqadm.py new.ini status || true")
    assert "E  app_events: the server's transaction ids are behind those of the ticks" in said
    assert "pg_resetwal --epoch=1 -D DATADIR" in said
    assert "start pgqd" not in said
    move.enter(lines[accept + 1])
    said = move.enter("queue_mover3 mover.ini --accept-source; ! queue_mover3 mover.ini 2>&1")
    assert 'source database: queue "app_events": the server\'s transaction ids are behind' in said
    assert "pg_resetwal --epoch=1" in said
    assert "Traceback" not in said
    # when the page is followed
    move.enter("pgqadm.py -s new.ini", "while test -e new.pid; do sleep 0.1; done")
    move.enter(*section("If the IDs were not raised", "###"))
    move.enter(*lines[accept : accept + 1], *lines[accept + 2 :])
    move.produce("new", 5, "after")
    # then all comes
    move.arrived(25)
    move.assert_all_once(moved=10, waiting=7, early=3, after=5)
    move.assert_healthy()


def test_dump_and_restore_with_the_queue_made_anew(move: Move) -> None:
    move.new.start()
    lines = section("Dump and restore, with a new queue")
    assert len(lines) == 21
    move.produce("old", 7, "waiting")
    move.enter(*lines)
    move.produce("new", 5, "after")
    move.arrived(22)
    move.assert_all_once(moved=10, waiting=7, after=5)
    move.assert_healthy()


def test_pg_upgrade(move: Move) -> None:
    lines = section("pg_upgrade")
    assert len(lines) == 11
    move.produce("old", 7, "waiting")
    move.enter(*lines)
    move.produce("new", 5, "after")
    move.arrived(22)
    move.assert_all_once(moved=10, waiting=7, after=5)
    move.assert_healthy()


def test_failover_to_a_standby(old: Cluster, central: Cluster) -> None:
    """The mover, the ticker and the producers need no more than both hosts."""
    new = standby_of(old)
    new.configure({"port": new.port})
    with new:
        move = Move(old, new, central)
        services = move.folder / "services.conf"
        text = services.read_text().replace(
            f"host=127.0.0.1\nport={old.port}\n",
            f"host=127.0.0.1,127.0.0.1\nport={old.port},{new.port}\n"
            "target_session_attrs=read-write\n",
        )
        services.write_text(text)
        try:
            move.prepare()
            # given a mover and a ticker that run on
            move.produce("old", 7, "waiting")
            lines = section("Failover to a standby")
            assert len(lines) == 2
            move.enter(*lines)
            move.produce("new", 5, "after")
            move.arrived(22)
            move.assert_all_once(moved=10, waiting=7, after=5)
        finally:
            move.end()
