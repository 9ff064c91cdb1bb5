"""An application with several concurrent writers of orders, in transactions of mixed sizes."""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from testbed.database import Database, value
from testbed.programs import chosen

WRITERS_PER_SHARD = 2
EVENTS_PER_WRITER = 50_000
EVENTS_BY_SLOW_TRIGGERS = 10_000
"""the same with PgQ's triggers in PL/pgSQL, which take twenty times as long as those in C"""
EVENTS_PER_SECOND = 1_500
"""at most, per writer, so that there is time to watch"""
CUSTOMERS = ((1, 30), (2, 20), (5, 20), (20, 20), (100, 8), (500, 2))
"""how many in one transaction, and how often that happens, in percent"""
ROLLED_BACK = 0.07
SLOW = 0.02
SLOW_SECONDS = 0.3
OPEN_ORDERS = 2_000


@dataclass(frozen=True)
class Tally:
    """What was written into one shard, as counted by its writers."""

    committed: int = 0
    transactions: int = 0
    rolled_back: int = 0
    """events whose transaction was rolled back"""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.committed + other.committed,
            self.transactions + other.transactions,
            self.rolled_back + other.rolled_back,
        )


class Writer(threading.Thread):
    """Places, ships and cancels its own orders in one shard."""

    def __init__(self, shard: Database, seed: str, quota: int) -> None:
        super().__init__(name=seed, daemon=True)
        self.shard = shard.name
        self.tally = Tally()
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._database = shard
        self._quota = quota
        self._dice = random.Random(seed)
        self._orders: list[int] = []

    def run(self) -> None:
        """Write until the quota is reached."""
        began = time.monotonic()
        try:
            with self._database.connect(application_name="shop") as conn:
                while self.tally.committed < self._quota and not self.stopping.is_set():
                    self._transaction(conn)
                    due = began + self.tally.committed / EVENTS_PER_SECOND
                    self.stopping.wait(max(0.0, due - time.monotonic()))
        except Exception as error:
            self.error = error

    def _transaction(self, conn: psycopg.Connection) -> None:
        undo = self._dice.random() < ROLLED_BACK
        with conn.transaction(force_rollback=undo):
            events, orders = self._write(conn)
            if self._dice.random() < SLOW:
                # Meanwhile others commit higher event ids; the order must survive that.
                self.stopping.wait(SLOW_SECONDS)
        if undo:
            self.tally += Tally(rolled_back=events)
        else:
            self._orders = orders[-OPEN_ORDERS:]
            self.tally += Tally(committed=events, transactions=1)

    def _write(self, conn: psycopg.Connection) -> tuple[int, list[int]]:
        """Place, ship or cancel orders; returns the number of events, and the orders then open."""
        sizes, weights = zip(*CUSTOMERS, strict=True)
        (count,) = self._dice.choices(sizes, weights)
        dice = self._dice.random()
        if len(self._orders) < count or dice < 0.5:
            return 2 * count, self._orders + value(conn, "select place(%s)", count)
        if dice < 0.9:
            conn.execute("select ship(%s)", [self._dice.sample(self._orders, count)])
            return 3 * count, self._orders
        conn.execute("select cancel(%s)", [self._orders[:count]])
        return 2 * count, self._orders[count:]


class Shop:
    """All writers of all shards."""

    def __init__(self, shards: Sequence[Database]) -> None:
        self._shards = {shard.name: shard for shard in shards}
        quota = EVENTS_BY_SLOW_TRIGGERS if chosen().pgq_sql else EVENTS_PER_WRITER
        self._writers = [
            Writer(shard, f"{shard.name}/{number}", quota)
            for shard in shards
            for number in range(WRITERS_PER_SHARD)
        ]
        self._imported = {shard.name: Tally() for shard in shards}
        self.quota = quota * len(self._writers)

    def open(self) -> None:
        """Start writing."""
        for writer in self._writers:
            writer.start()

    def close(self) -> None:
        """Stop, even before the quota is reached."""
        for writer in self._writers:
            writer.stopping.set()
        for writer in self._writers:
            if writer.ident is not None:
                writer.join(timeout=5)

    def import_stock(self, shard: str, count: int) -> None:
        """Write many events in one transaction."""
        with self._shards[shard].connect(application_name="shop") as conn:
            conn.execute("select import_stock(%s)", [count])
        self._imported[shard] += Tally(committed=count, transactions=1)

    def tallies(self) -> Mapping[str, Tally]:
        """What has been written so far, by shard. Raises the error of a failed writer."""
        result = dict(self._imported)
        for writer in self._writers:
            if writer.error is not None:
                raise writer.error
            result[writer.shard] += writer.tally
        return result

    @property
    def busy(self) -> bool:
        """Whether any writer is still writing."""
        return any(writer.is_alive() for writer in self._writers)
