"""An application that writes orders: several writers at once, in transactions of mixed size."""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from testbed.database import Database, value

WRITERS_PER_SHARD = 2
EVENTS_PER_WRITER = 50_000
EVENTS_PER_SECOND = 1_500
"""of one writer: what it is held back to, so that there is time to watch"""
CUSTOMERS = ((1, 30), (2, 20), (5, 20), (20, 20), (100, 8), (500, 2))
"""how many in one transaction, and how often that happens, of a hundred"""
ROLLED_BACK = 0.07
LINGERING = 0.02
LINGER_SECONDS = 0.3
KNOWN_ORDERS = 2_000


@dataclass(frozen=True)
class Tally:
    """What was written into one shard, as its writers count it."""

    committed: int = 0
    transactions: int = 0
    undone: int = 0
    """events whose transaction was rolled back"""
    rollbacks: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.committed + other.committed,
            self.transactions + other.transactions,
            self.undone + other.undone,
            self.rollbacks + other.rollbacks,
        )


class Writer(threading.Thread):
    """Places, ships and cancels its own orders in one shard."""

    def __init__(self, shard: Database, seed: str) -> None:
        super().__init__(name=seed, daemon=True)
        self.shard = shard.name
        self.tally = Tally()
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._database = shard
        self._dice = random.Random(seed)
        self._orders: list[int] = []

    def run(self) -> None:
        """Write until the quota is reached."""
        began = time.monotonic()
        try:
            with self._database.connect(application_name="shop") as conn:
                while self.tally.committed < EVENTS_PER_WRITER and not self.stopping.is_set():
                    self._transaction(conn)
                    due = began + self.tally.committed / EVENTS_PER_SECOND
                    self.stopping.wait(max(0.0, due - time.monotonic()))
        except Exception as error:
            self.error = error

    def _transaction(self, conn: psycopg.Connection) -> None:
        undo = self._dice.random() < ROLLED_BACK
        with conn.transaction(force_rollback=undo):
            events, known = self._business(conn)
            if self._dice.random() < LINGERING:
                # Others commit higher event ids meanwhile: the order has to survive that.
                self.stopping.wait(LINGER_SECONDS)
        if undo:
            self.tally += Tally(undone=events, rollbacks=1)
        else:
            self._orders = known[-KNOWN_ORDERS:]
            self.tally += Tally(committed=events, transactions=1)

    def _business(self, conn: psycopg.Connection) -> tuple[int, list[int]]:
        """Do something; how many events that makes, and the orders known if it commits."""
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
        self._writers = [
            Writer(shard, f"{shard.name}/{number}")
            for shard in shards
            for number in range(WRITERS_PER_SHARD)
        ]
        self._imported = {shard.name: Tally() for shard in shards}
        self.quota = EVENTS_PER_WRITER * len(self._writers)

    def open(self) -> None:
        """Begin to write."""
        for writer in self._writers:
            writer.start()

    def close(self) -> None:
        """Stop before the quota is reached."""
        for writer in self._writers:
            writer.stopping.set()
        for writer in self._writers:
            if writer.ident is not None:
                writer.join(timeout=5)

    def import_stock(self, shard: str, count: int) -> None:
        """One transaction with many events."""
        with self._shards[shard].connect(application_name="shop") as conn:
            conn.execute("select import_stock(%s)", [count])
        self._imported[shard] += Tally(committed=count, transactions=1)

    def tallies(self) -> Mapping[str, Tally]:
        """What was written up to now, by shard. Raises the error of a writer that failed."""
        result = dict(self._imported)
        for writer in self._writers:
            if writer.error is not None:
                raise writer.error
            result[writer.shard] += writer.tally
        return result

    @property
    def busy(self) -> bool:
        """Whether anybody still writes."""
        return any(writer.is_alive() for writer in self._writers)
