"""pgqadm.py ticker as a daemon: pidfile, signals, outages, a pgqd beside it, chores."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from queue_mover.service.ticker_job import TickLines
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.events import Collector
from testbed.processes import (
    Argument,
    Process,
    Processes,
    Result,
    run,
    script,
    wait_until,
    write_ini,
)
from testbed.procfs import process_alive
from testbed.queues import create_queue, insert_event, install_pgq, last_tick, produce
from testbed.ticker import FAST_TICKS, start_pgqd

PATIENCE = 30.0


class Ticker:
    """A config file, and the tickers that are started with it."""

    def __init__(self, directory: Path, database: Database, processes: Processes) -> None:
        self.directory = directory
        self.settings: dict[str, object] = {
            "db": database.conninfo(),
            "pidfile": directory / "ticker.pid",
            "logfile": directory / "ticker.log",
            "exception_sleep": "0.2",
        }
        self._processes = processes

    def write(self) -> Path:
        """Write the config file."""
        return write_ini(self.directory / "ticker.ini", "pgqadm", self.settings)

    def run(self, *words: Argument) -> Result:
        """Run pgqadm.py with the config file as first argument."""
        return run([script("pgqadm.py"), self.write(), *words])

    def start(self) -> Process:
        """A ticker in the foreground."""
        program = [script("pgqadm.py"), str(self.write()), "ticker"]
        return self._processes.start(program, self.directory, name="ticker")

    def daemon(self) -> int:
        """A ticker in the background; its process id."""
        self.run("-d", "ticker").check()
        return self._processes.adopt(self.directory / "ticker.pid")

    @property
    def log(self) -> str:
        """All that stands in the log file."""
        return (self.directory / "ticker.log").read_text()

    def logged(self, text: str) -> None:
        """Wait until a text stands in the log file."""
        wait_until(lambda: text in self.log, PATIENCE, f"{text!r} in the log: {self.log}")


@pytest.fixture
def processes() -> Iterator[Processes]:
    """What is killed at the end of a test, whatever became of that."""
    with Processes() as processes:
        yield processes


@pytest.fixture
def ticker(tmp_path: Path, source_db: Database, processes: Processes) -> Ticker:
    """A ticker for source_db, not started."""
    return Ticker(tmp_path, source_db, processes)


@pytest.fixture
def queue(source: psycopg.Connection) -> str:
    """A queue that wants a tick a tenth of a second after an event."""
    create_queue(source, "eager", **FAST_TICKS)
    return "eager"


def ticked(conn: psycopg.Connection, queue: str) -> None:
    """Insert events until they have been ticked."""
    before = last_tick(conn, queue)

    def more() -> bool:
        insert_event(conn, queue, "type", "data")
        return last_tick(conn, queue) > before

    wait_until(more, PATIENCE, f"a tick after {before}", interval=0.1)


def test_a_daemon_ticks_until_it_is_stopped(
    ticker: Ticker, processes: Processes, source: psycopg.Connection, queue: str
) -> None:
    pid = ticker.daemon()
    ticked(source, queue)
    ticker.run("-s").check()
    processes.wait_for_end(pid)
    assert not (ticker.directory / "ticker.pid").exists()
    assert " ERROR " not in ticker.log
    # then nobody ticks any more
    before = last_tick(source, queue)
    insert_event(source, queue, "type", "data")
    assert "not running" in ticker.run("-s").stderr
    assert last_tick(source, queue) == before


def test_a_second_ticker_is_refused(ticker: Ticker, source: psycopg.Connection, queue: str) -> None:
    pid = ticker.daemon()
    for words in (["ticker"], ["ticker", "-d"]):
        result = ticker.run(*words)
        assert result.returncode == 1
        assert f"another process is running, pid {pid}; remedy: stop it with -s" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    ticked(source, queue)
    assert process_alive(pid)


def test_a_daemon_needs_a_pidfile(ticker: Ticker) -> None:
    del ticker.settings["pidfile"]
    result = ticker.run("-d", "ticker")
    assert result.returncode == 1
    assert "Daemon needs pidfile; remedy: " in result.stderr


def test_a_daemon_that_cannot_work_says_so_in_the_foreground(
    ticker: Ticker, source_cluster: Cluster
) -> None:
    ticker.settings["db"] = source_cluster.conninfo("postgres")
    result = ticker.run("-d", "ticker")
    assert result.returncode == 1
    assert "PgQ is not installed; remedy: pgqadm.py CONFIG install" in result.stderr
    assert not (ticker.directory / "ticker.pid").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_signals_end_it(
    ticker: Ticker, source: psycopg.Connection, queue: str, number: signal.Signals, code: int
) -> None:
    process = ticker.start()
    ticked(source, queue)
    assert process.stop(number) == code


def test_a_reload_takes_over_another_database(
    ticker: Ticker, source: psycopg.Connection, queue: str, target_db: Database
) -> None:
    process = ticker.start()
    ticked(source, queue)
    with target_db.connect() as conn:
        create_queue(conn, queue, **FAST_TICKS)
        ticker.settings["db"] = target_db.conninfo()
        ticker.write()
        ticker.run("-r").check()
        ticker.logged("Config reloaded")
        ticked(conn, queue)
    assert process.stop() == 0


def test_it_survives_a_restart_of_the_database_with_two_lines(
    tmp_path: Path, private_cluster: Callable[..., Cluster], processes: Processes
) -> None:
    # given
    cluster = private_cluster("ticked")
    database = cluster.create_database("ticked")
    with database.connect() as conn:
        install_pgq(conn)
        create_queue(conn, "eager", **FAST_TICKS)
    ticker = Ticker(tmp_path, database, processes)
    process = ticker.start()
    with database.connect() as conn:
        ticked(conn, "eager")
    # when
    cluster.stop()
    ticker.logged(" ERROR database not available: ")
    cluster.start()
    # then
    ticker.logged(" INFO recovered: working again")
    with database.connect() as conn:
        ticked(conn, "eager")
    assert process.stop() == 0
    assert ticker.log.count(" ERROR ") == ticker.log.count("recovered") == 1, ticker.log
    assert "Traceback" not in ticker.log
    cluster.destroy()


def test_beside_a_pgqd_each_event_is_in_one_batch(
    ticker: Ticker, source: psycopg.Connection, source_cluster: Cluster, source_db: Database
) -> None:
    # given a queue that is due for a tick whenever it has events, and two who make them
    create_queue(source, "busy", ticker_max_lag="0", ticker_max_count=1)
    collector = Collector(source_db, "busy")
    ticker.settings["loop_delay"] = 0.005
    process = ticker.start()
    sessions: LiteralString = "select count(*) from pg_stat_activity where application_name = %s"
    wait_until(lambda: value(source, sessions, "ticker"), PATIENCE, "the ticker's session")
    with start_pgqd(source_cluster, [source_db.name], ticker_period=0.01):
        total = 0
        for number in range(150):
            total += produce(source, "busy", 5, first=1 + 5 * number)
        seen = [0]

        def all_seen() -> bool:
            seen[0] += collector.drain()
            return seen[0] >= total

        wait_until(all_seen, PATIENCE, "all events", interval=0.1)
    assert process.stop() == 0
    collector.drain()
    # then
    data = [event.data for event in collector.events.read()]
    assert len(data) == len(set(data)) == total
    assert " ERROR " not in ticker.log
    collector.close()


def test_retry_events_come_back(ticker: Ticker, source: psycopg.Connection, queue: str) -> None:
    # given maintenance that has been made, at the start
    ticker.settings.update(maint_delay=3600, retry_delay=0.2)
    process = ticker.start()
    source.execute("select pgq.register_consumer(%s, 'reader')", [queue])
    insert_event(source, queue, "type", "again")
    wait_until(lambda: next_batch(source, queue), PATIENCE, "a batch")
    batch, event = one_event(source, queue)
    # when
    source.execute("select pgq.event_retry(%s, %s, 0)", [batch, event])
    source.execute("select pgq.finish_batch(%s)", [batch])
    assert value(source, "select count(*) from pgq.retry_queue") == 1
    # then
    wait_until(lambda: next_batch(source, queue), PATIENCE, "the event again")
    assert one_event(source, queue)[1] == event
    assert value(source, "select count(*) from pgq.retry_queue") == 0
    assert process.stop() == 0


def next_batch(conn: psycopg.Connection, queue: str) -> bool:
    """Whether the reader has a batch with events; empty ones are finished on the way."""
    batch = value(conn, "select pgq.next_batch(%s, 'reader')", queue)
    if batch is None:
        return False
    if value(conn, "select count(*) from pgq.get_batch_events(%s)", batch):
        return True
    conn.execute("select pgq.finish_batch(%s)", [batch])
    return False


def one_event(conn: psycopg.Connection, queue: str) -> tuple[object, object]:
    """The reader's active batch and its first event."""
    batch = value(conn, "select pgq.next_batch(%s, 'reader')", queue)
    return batch, value(conn, "select ev_id from pgq.get_batch_events(%s) limit 1", batch)


def test_maintenance_rotates_the_tables(
    ticker: Ticker, source: psycopg.Connection, queue: str
) -> None:
    ticker.settings["maint_delay"] = 0.2
    source.execute("select pgq.set_queue_config(%s, 'rotation_period', '100 ms')", [queue])
    statement = "select queue_cur_table from pgq.queue"
    process = ticker.start()
    # then table after table is written to
    seen: set[object] = set()

    def all_tables() -> bool:
        insert_event(source, queue, "type", "data")
        seen.add(value(source, statement))
        return seen == {0, 1, 2}

    wait_until(all_tables, PATIENCE, "all three tables", interval=0.1)
    assert process.stop() == 0
    assert " ERROR " not in ticker.log


def test_without_maintenance_nothing_rotates(
    ticker: Ticker, source: psycopg.Connection, queue: str
) -> None:
    ticker.settings.update(maint_delay=0, retry_delay=0)
    source.execute("select pgq.set_queue_config(%s, 'rotation_period', '1 ms')", [queue])
    process = ticker.start()
    ticked(source, queue)
    ticked(source, queue)
    assert process.stop() == 0
    assert value(source, "select queue_cur_table from pgq.queue") == 0


def test_it_logs_its_ticks_and_each_round_of_maintenance(
    ticker: Ticker, source: psycopg.Connection, queue: str
) -> None:
    # given
    ticker.settings.update(ticker_log_delay=0.2, maint_delay=0.2, keepalive_stats=0.1)
    process = ticker.start()
    # when
    ticked(source, queue)
    # then
    wait_until(
        lambda: re.search(r" INFO \{ticks: [1-9]\d*\}$", ticker.log, re.MULTILINE),
        PATIENCE,
        "a line that counts ticks",
    )
    wait_until(
        lambda: re.search(r" INFO \{maint_duration: \d+\.\d{1,4}\}$", ticker.log, re.MULTILINE),
        PATIENCE,
        "a line about maintenance",
    )
    assert process.stop() == 0
    assert "{idle: " not in ticker.log


def test_ticks_are_counted_from_line_to_line() -> None:
    lines = TickLines(delay=300)
    assert lines.add(2, now=1000) == {"ticks": 2}
    assert lines.add(1, now=1001) == {}
    assert lines.add(3, now=1299) == {}
    assert lines.add(1, now=1300) == {"ticks": 5}
    assert lines.add(0, now=1700) == {"ticks": 0}
