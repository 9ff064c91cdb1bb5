"""Consumers that collect, and a watcher that looks for half of something while all goes on."""

import threading
from contextlib import suppress

import psycopg

from testbed.database import Database, value
from testbed.events import Collector, EventSet
from testbed.queues import qualified, queue_table
from torture.servers import TARGET_QUEUE

PAUSE = 0.3
"""Seconds between looks."""


class Reader(threading.Thread):
    """Collects the events of one queue, so that rotation loses nothing; outlives crashes."""

    def __init__(self, database: Database, queue: str) -> None:
        super().__init__(name=f"reader of {database.name}", daemon=True)
        self._database = database
        self._queue = queue
        self._stopping = threading.Event()
        collector = Collector(database, queue)
        self.events: EventSet = collector.events
        collector.close()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """Drain, wait, and so on."""
        while not self._stopping.is_set():
            with suppress(psycopg.Error):
                collector = Collector(self._database, self._queue)
                try:
                    while not self._stopping.is_set():
                        collector.drain()
                        self._stopping.wait(PAUSE)
                finally:
                    collector.close()
            self._stopping.wait(PAUSE)

    def position(self) -> int:
        """The last tick whose events are collected."""
        with self._database.connect() as conn:
            statement = "select last_tick from pgq.get_consumer_info(%s, 'collector')"
            return int(value(conn, statement, self._queue))


class Watcher(threading.Thread):
    """Looks at the target as any reader would see it: is a transaction or a position ever half?"""

    def __init__(self, database: Database, consumers: list[str]) -> None:
        super().__init__(name="watcher", daemon=True)
        self._database = database
        self._positions: dict[str, int] = dict.fromkeys(consumers, -1)
        self._stopping = threading.Event()
        self.looks = 0
        self.found: list[str] = []

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopping.is_set():
            with suppress(psycopg.Error), self._database.connect() as conn:
                table = queue_table(conn, TARGET_QUEUE)
                while not self._stopping.is_set():
                    self._look(conn, table)
                    self._stopping.wait(PAUSE)
            self._stopping.wait(PAUSE)

    def _look(self, conn: psycopg.Connection, table: str) -> None:
        half = conn.execute(
            psycopg.sql.SQL(
                "select ev_extra1, count(*), max(ev_extra3) from {} group by 1"
                " having count(*) <> max(ev_extra3)::int limit 3"
            ).format(qualified(table))
        ).fetchall()
        self.found += [f"half visible: {tx}, {count} of {size}" for tx, count, size in half]
        for consumer, before in self._positions.items():
            row = conn.execute("select pgq_ext.get_last_tick(%s)", [consumer]).fetchone()
            now = row[0] if row and row[0] is not None else -1
            if now < before:
                self.found.append(f"position of {consumer} set back from {before} to {now}")
            self._positions[consumer] = now
        self.looks += 1
