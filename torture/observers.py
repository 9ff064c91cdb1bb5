"""Consumers that collect all events, and a watcher for partial transactions."""

from contextlib import closing

import psycopg
from psycopg import sql

from testbed.database import Database, value
from testbed.events import Collector
from testbed.processes import wait_until
from testbed.queues import qualified, queue_table
from torture.servers import TARGET_QUEUE
from torture.threads import RetryingThread

INTERVAL = 0.3
"""Seconds between polls."""


class Reader(RetryingThread):
    """Collects the events of one queue before rotation removes them."""

    def __init__(self, database: Database, queue: str) -> None:
        super().__init__(f"reader of {database.name}")
        self._database = database
        self._queue = queue
        with closing(Collector(database, queue)) as collector:
            self.events = collector.events

    def work(self) -> None:
        """Collect all new events, again and again."""
        with closing(Collector(self._database, self._queue)) as collector:
            while self.active:
                collector.drain()
                self.pause(INTERVAL)

    def wait_for(self, tick: int, timeout: float) -> None:
        """Wait until the events up to this tick are collected."""
        statement = "select last_tick >= %s from pgq.get_consumer_info(%s, 'collector')"
        with self._database.connect() as conn:
            wait_until(lambda: value(conn, statement, tick, self._queue), timeout, self.name)


class Watcher(RetryingThread):
    """Reads the target while events move: no transaction is partial, no position goes back."""

    def __init__(self, database: Database, consumers: list[str]) -> None:
        super().__init__("watcher")
        self._database = database
        self._positions: dict[str, int] = dict.fromkeys(consumers, -1)
        self.reads = 0
        self.failures: list[str] = []

    def work(self) -> None:
        """Read the target again and again."""
        with self._database.connect() as conn:
            table = queue_table(conn, TARGET_QUEUE)
            while self.active:
                self._read(conn, table)
                self.pause(INTERVAL)

    def _read(self, conn: psycopg.Connection, table: str) -> None:
        partial = conn.execute(
            sql.SQL(
                "select ev_extra1, count(*), max(ev_extra3) from {} group by 1"
                " having count(*) <> max(ev_extra3)::int limit 3"
            ).format(qualified(table))
        ).fetchall()
        self.failures += [
            f"partially visible: {tx}, {count} of {size}" for tx, count, size in partial
        ]
        for consumer, before in self._positions.items():
            tick = value(conn, "select pgq_ext.get_last_tick(%s)", consumer)
            now = -1 if tick is None else tick
            if now < before:
                self.failures.append(f"position of {consumer} went back from {before} to {now}")
            self._positions[consumer] = now
        self.reads += 1
