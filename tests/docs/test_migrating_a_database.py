"""docs/migrating-a-database.md, entered line by line while events are written and read."""

import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from queue_mover.config.parameters import MOVER
from testbed.cluster import SUPERUSER, Cluster
from testbed.database import Database
from testbed.events import read_events
from testbed.processes import Processes, run, wait_until
from testbed.queues import create_queue
from testbed.servers import new_database
from tests.docs.pages import ROOT, blocks
from tests.docs.terminal import search_path

PAGE = (ROOT / "docs" / "migrating-a-database.md").read_text()
PATIENCE = 60.0
PGQUE_SQL = "PGQUE_SQL"
KEYS = {parameter.name for group in MOVER for parameter in group.parameters}
REGISTER = "sed 's/pgq\\./pgque./' register.sql | psql -d service=new -v ON_ERROR_STOP=1 -qAt"
QUEUES = ("orders", "payments_eu")
FAST = {"ticker_max_lag": "0.2 seconds", "ticker_idle_period": "0.5 seconds"}

FEED = """[queue_mover3]
job_name = feed
src_db = service=old
dst_db = service=central
queue_name = orders
dst_queue_name = all_orders
loop_delay = 0.1
pidfile = feed.pid
"""


def section(title: str) -> list[str]:
    """The command lines under a heading."""
    text = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line.strip() for block in blocks(text) for line in block.text.splitlines()]


def files() -> dict[str, str]:
    """The files of the page, by their names."""
    first, *_ = (block for block in blocks(PAGE) if block.is_ini)
    texts = re.split(r"\n(?=\[)", first.text)
    named = dict(zip(("old.ini", "new.ini", "mover.ini"), texts, strict=True))
    (query,) = (block.text for block in blocks(PAGE) if block.language == "sql")
    return named | {"behind.sql": query, "feed.ini": FEED}


class Looping:
    """A client of the queues in a thread, on one server at a time."""

    def __init__(self, services: dict[str, Database], new: str) -> None:
        """`new`: the schema of the new server's PgQ."""
        self._services = services
        self._new = new
        self.schema = "pgq"
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.errors: list[str] = []

    def start(self, service: str) -> None:
        """Start it on a server."""
        self._stopping = threading.Event()
        self.schema = self._new if service == "new" else "pgq"
        self._thread = threading.Thread(target=self._run, args=[service], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop it, after what it is doing."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(PATIENCE)
            assert not self._thread.is_alive()

    def _run(self, service: str) -> None:
        try:
            with self._services[service].connect() as conn:
                while not self._stopping.is_set():
                    self._stopping.wait(self.work(conn))
        except Exception as error:
            self.errors.append(f"{type(self).__name__}: {error}")

    def call(
        self, conn: psycopg.Connection, function: str, *given: object
    ) -> list[tuple[Any, ...]]:
        """Call a function of PgQ."""
        marks = ", ".join(["%s"] * len(given))
        return conn.execute(
            f"select * from {self.schema}.{function}({marks})".encode(), given
        ).fetchall()

    def work(self, conn: psycopg.Connection) -> float:
        """Do one piece of work; the seconds to wait after it."""
        raise NotImplementedError


class Producer(Looping):
    """Numbers its events."""

    def __init__(self, services: dict[str, Database], new: str, queue: str, name: str) -> None:
        super().__init__(services, new)
        self.queue, self.name, self.count = queue, name, 0

    def work(self, conn: psycopg.Connection) -> float:
        """Insert one event."""
        self.count += 1
        data = f"{self.name}:{self.count}"
        self.call(conn, "insert_event", self.queue, "numbered", data)
        return 0.01


class Reader(Looping):
    """Keeps what it has read, each batch as a whole."""

    def __init__(self, services: dict[str, Database], new: str, queue: str, name: str) -> None:
        super().__init__(services, new)
        self.queue, self.name = queue, name
        self.data: list[str] = []

    def work(self, conn: psycopg.Connection) -> float:
        """Read one batch, if there is one."""
        ((batch,),) = self.call(conn, "next_batch", self.queue, self.name)
        if batch is None:
            return 0.05
        events = self.call(conn, "get_batch_events", batch)
        self.call(conn, "finish_batch", batch)
        self.data += [data for (_, _, _, _, _, data, *_) in events]
        return 0


class Migration:
    """The servers of the page, its files, and the programs that use the queues."""

    def __init__(self, folder: Path, services: dict[str, Database], new: str) -> None:
        self.folder, self.services, self.new = folder, services, new
        self._processes = Processes()
        parts = [
            f"[{name}]\nhost=127.0.0.1\nport={psycopg.conninfo.conninfo_to_dict(each.server)['port']}"
            f"\ndbname={each.name}\nuser={SUPERUSER}"
            for name, each in services.items()
        ]
        texts = {**files(), "services.conf": "\n".join(parts)}
        if new == "pgque":
            texts["mover.ini"] += "\ndst_flavour = pgque"
            texts["new.ini"] += f"\nflavour = pgque\npgque_sql = {os.environ[PGQUE_SQL]}"
        for name, text in texts.items():
            (folder / name).write_text(text + "\n")
        self._env = {
            "PATH": search_path(),
            "PGSERVICEFILE": str(folder / "services.conf"),
            "HOME": str(folder),
        }
        self.producers = [
            Producer(services, new, queue, f"{queue}_{number}")
            for queue in QUEUES
            for number in (1, 2)
        ]
        self.readers = [
            Reader(services, new, queue, name)
            for queue, name in (("orders", "ship"), ("orders", "bill"), ("payments_eu", "bill"))
        ]

    def prepare(self) -> None:
        """The old server at work: queues, producers, consumers, and a mover that is one."""
        with self.services["old"].connect() as conn:
            for queue in QUEUES:
                create_queue(conn, queue, **FAST)
            for reader in self.readers:
                conn.execute("select pgq.register_consumer(%s, %s)", [reader.queue, reader.name])
        with self.services["central"].connect() as conn:
            create_queue(conn, "all_orders", **FAST)
        self.enter("pgqadm.py -d old.ini ticker", "queue_mover3 -d feed.ini")
        for client in (*self.producers, *self.readers):
            client.start("old")

    def enter(self, *lines: str) -> None:
        """Enter lines, each of which has to succeed."""
        for line in map(self._for_new, lines):
            done = run(["bash", "-c", line], cwd=self.folder, env=self._env, timeout=PATIENCE)
            for pidfile in self.folder.glob("*.pid"):
                self._processes.adopt(pidfile)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def _for_new(self, line: str) -> str:
        """A line as it is for the PgQ of the new server."""
        if self.new == "pgq" or "-d service=new" not in line:
            return line
        if "register.sql" in line:
            return REGISTER
        return line.replace("pgq.", "pgque.")

    def switch(self, producers: Sequence[Producer], lines: Sequence[str]) -> None:
        """Switch producers to the new server, as the page says."""
        for producer in producers:
            producer.stop()
        self.enter(*lines)
        for producer in producers:
            producer.start("new")

    def flow(self) -> None:
        """Wait until every reader has read more from every producer."""
        before = {id(reader): len(reader.data) for reader in self.readers}
        wait_until(
            lambda: (
                all(len(r.data) >= before[id(r)] + 10 for r in self.readers)
                or any(client.errors for client in (*self.producers, *self.readers))
            ),
            PATIENCE,
            "events for all readers",
        )

    def wait_for_copies(self) -> None:
        """Wait until the mover has copied something of each queue."""
        new = self.services["new"]
        with new.connect() as conn:
            for table in (f"{self.new}.event_1", f"{self.new}.event_2"):
                copied = f"select to_regclass('{table}') is not null".encode()
                wait_until(partial(first, conn, copied), PATIENCE, "the queues")
                events = f"select exists (select from {table})".encode()
                wait_until(partial(first, conn, events), PATIENCE, "copied events")

    def all_read(self) -> bool:
        """Whether every reader has as many events as were written."""
        written = {
            queue: sum(each.count for each in self.producers if each.queue == queue)
            for queue in QUEUES
        }
        return all(len(r.data) >= written[r.queue] for r in self.readers) and (
            len(self.central()) >= written["orders"]
        )

    def central(self) -> list[str]:
        """What the third database has."""
        return [str(e.data) for e in read_events(self.services["central"], "all_orders")]

    def assert_each_once_in_order(self) -> None:
        """Each reader has every event of each producer, once, in its order; so has the mover's
        target."""
        expected = {
            queue: {p.name: [*range(1, p.count + 1)] for p in self.producers if p.queue == queue}
            for queue in QUEUES
        }
        assert [client.errors for client in (*self.producers, *self.readers) if client.errors] == []
        for reader in self.readers:
            assert by_producer(reader.data) == expected[reader.queue], reader.name
        assert by_producer(self.central()) == expected["orders"]

    def end(self) -> None:
        """Stop all of them."""
        for client in (*self.producers, *self.readers):
            client.stop()
        self._processes.kill()


def first(conn: psycopg.Connection, query: bytes) -> object:
    """The value that a query returns."""
    row = conn.execute(query).fetchone()
    return row and row[0]


def by_producer(data: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of each producer's events, as they came."""
    found = defaultdict[str, list[int]](list)
    for text in data:
        name, _, number = text.partition(":")
        found[name].append(int(number))
    return dict(found)


@pytest.fixture(
    params=[
        "pgq",
        pytest.param(
            "pgque",
            marks=pytest.mark.skipif(
                PGQUE_SQL not in os.environ or "dst_flavour" not in KEYS,
                reason=f"{PGQUE_SQL} does not name a pgque.sql",
            ),
        ),
    ]
)
def migration(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    source_cluster: Cluster,
    target_cluster: Cluster,
) -> Iterator[Migration]:
    with ExitStack() as stack:
        names = {"old": source_cluster, "central": target_cluster}
        services = {
            name: stack.enter_context(new_database(cluster, f"migration_{name}"))
            for name, cluster in names.items()
        }
        services["new"] = target_cluster.create_database("migration_new")
        stack.callback(lambda: target_cluster.drop_database("migration_new"))
        made = Migration(tmp_path, services, request.param)
        stack.callback(made.end)
        made.prepare()
        yield made


def test_a_whole_database_is_migrated_under_load(migration: Migration) -> None:
    # given queues that are written and read all the time
    migration.flow()
    assert REGISTER in PAGE
    # when the queues are copied, for a while
    *copy, status = section("Copy the queues")
    migration.enter(*copy)
    migration.wait_for_copies()
    migration.enter(status)
    migration.flow()
    # when the consumers change over: those that are programs of their own are stopped and started
    # where the page says so
    change_over = section("Change the consumers over")
    stop = change_over.index("queue_mover3 -s --wait feed.ini")
    start = change_over.index("queue_mover3 -d feed.ini")
    migration.enter(*change_over[:stop])
    for reader in migration.readers:
        reader.stop()
    migration.enter(*change_over[stop:start])
    for reader in migration.readers:
        reader.start("new")
    migration.enter(*change_over[start:])
    migration.flow()
    # when the producers follow, some first while the others write, then the rest
    lines = section("Switch the producers")
    migration.switch(migration.producers[::2], lines)
    migration.flow()
    migration.switch(migration.producers[1::2], lines)
    migration.flow()
    migration.enter(*lines, *section("Finish"))
    for producer in migration.producers:
        producer.stop()
    # then every consumer has every event once, in order
    wait_until(migration.all_read, PATIENCE, "the last events")
    migration.assert_each_once_in_order()
    # and nothing is left on either side
    with migration.services["old"].connect() as conn:
        assert conn.execute("select * from pgq.get_consumer_info()").fetchall() == []
    with migration.services["new"].connect() as conn:
        consumers = f"select queue_name, consumer_name from {migration.new}.get_consumer_info()"
        assert sorted(conn.execute(consumers.encode()).fetchall()) == [
            ("orders", "bill"),
            ("orders", "feed"),
            ("orders", "ship"),
            ("payments_eu", "bill"),
        ]
        positions = conn.execute("select consumer_id from pgq_ext.completed_tick").fetchall()
        assert positions == []
