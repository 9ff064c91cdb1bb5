"""A steady stream of events and ticks into many sources."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg import Connection, sql

from bench.shards import Shard
from testbed import queues

THREADS = 4


class Stream:
    """Every second, in every source: a transaction with some events, and a tick."""

    def __init__(self, sources: Sequence[Shard], events: int) -> None:
        self._sources = sources
        self._events = events
        self._stopping = threading.Event()
        self.sent = 0
        self.late = 0.0
        """The most seconds by which the stream itself fell behind."""
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run for the duration of the block; the last second is completed."""
        self._stopping.clear()
        with ThreadPoolExecutor(THREADS) as pool:
            parts = [self._sources[n::THREADS] for n in range(THREADS)]
            futures = [pool.submit(self._feed, part) for part in parts if part]
            try:
                yield
            finally:
                self._stopping.set()
            for future in futures:
                future.result()

    def _feed(self, sources: Sequence[Shard]) -> None:
        with contextlib.ExitStack() as stack:
            feeds = [(stack.enter_context(s.database.connect()), s) for s in sources]
            statements = [self._statement(conn, shard) for conn, shard in feeds]
            for conn, _ in feeds:
                conn.execute("set synchronous_commit = off")
            due = time.monotonic()
            while not self._stopping.is_set():
                for (conn, shard), statement in zip(feeds, statements, strict=True):
                    # Spread over a second.
                    time.sleep(max(0.0, due - time.monotonic()))
                    self._record(time.monotonic() - due)
                    conn.execute(statement)
                    conn.execute("select pgq.ticker(%s)", [shard.queue])
                    due += 1.0 / len(feeds)

    def _statement(self, conn: Connection, shard: Shard) -> sql.Composed:
        return sql.SQL(
            "insert into {} (ev_time, ev_type, ev_data) select clock_timestamp(), 'I',"
            " rpad({} || ':' || i, 100, '.') from generate_series(1, {}) i"
        ).format(
            queues.current_table(conn, shard.queue),
            sql.Literal(shard.name),
            sql.Literal(self._events),
        )

    def _record(self, late: float) -> None:
        with self._lock:
            self.sent += self._events
            self.late = max(self.late, late)
