"""Many movers in one process, which take turns at one connection to the target."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from queue_mover.errors import QueueMoverError, UnavailableError
from queue_mover.model import BatchLimits, Outcome, Policy, Route
from queue_mover.moving.mover import Mover
from queue_mover.moving.peers import Peers
from queue_mover.moving.sharing import Sharing
from queue_mover.postgres import database
from queue_mover.postgres.pool import Pool, PoolClient
from testbed.compare import compare
from testbed.database import Database
from testbed.events import queue_events
from testbed.processes import wait_until
from testbed.queues import create_queue, produce, tick

LIMITS = BatchLimits(max_events=0)


@dataclass(eq=False)
class Rider:
    """One mover, its source queue, and what has become of its last batch."""

    name: str
    queue: str
    target_queue: str
    source_db: Database
    conn: psycopg.Connection
    mover: Mover
    client: PoolClient
    outcome: Outcome | Exception | None = None

    def produce(self, count: int, *, label: str = "") -> None:
        """Events that no other queue has, and a tick."""
        produce(self.conn, self.queue, count, label=label or self.name)
        tick(self.conn, self.queue)

    def move(self) -> None:
        """Move a batch; keep what becomes of it. A ValueError stands for what is not foreseen."""
        self.outcome = None
        try:
            self.outcome = self.mover.move_batch()
        except (QueueMoverError, ValueError) as error:
            self.outcome = error

    def move_again(self) -> None:
        """Move a batch as the service does after an outage: until the target is available. A
        pooler before it takes a moment longer than the server."""

        def available() -> bool:
            self.move()
            return not isinstance(self.outcome, UnavailableError)

        wait_until(available, 30, "the target")


@dataclass(eq=False)
class Crowd:
    """Movers, more than connections, and the target that they share."""

    source_db: Database
    target_db: Database
    number: int
    size: int = 1
    """Connections to the target."""
    riders: list[Rider] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.target = self.target_db.connect()
        self.target_queue = f"shared{self.number}"
        create_queue(self.target, self.target_queue)
        self.application = f"crowd{self.number}"
        self.databases = [
            database.Database("target", self.target_db.conninfo(), self.application)
            for _ in range(self.size)
        ]
        self.pool = Pool(self.databases)
        self.sharing = Sharing(self.size)
        self.holder = self.pool.client()

    def add(
        self,
        source_db: Database | None = None,
        *,
        target_queue: str = "",
        event_filter: str = "",
        policy: Policy | None = None,
        peers: Callable[[PoolClient], Peers] | None = None,
    ) -> Rider:
        """One more mover, registered, with its first batch moved."""
        source_db = source_db or self.source_db
        index = len(self.riders)
        queue, name = f"crowd{self.number}_{index}", f"crowd{self.number}.m{index}"
        conn = source_db.connect()
        create_queue(conn, queue, ticker_max_count=0, ticker_max_lag="0", ticker_idle_period="0")
        client = self.pool.client()
        mover = Mover(
            Route(queue, name, target_queue or self.target_queue, event_filter=event_filter),
            LIMITS,
            database.Database("source", source_db.conninfo(), self.application),
            client,
            logging.getLogger(name),
            policy or Policy(),
            peers(client) if peers else Peers(sharing=self.sharing.member(client)),
        )
        mover.move_batch()
        rider = Rider(name, queue, mover.route.target_queue, source_db, conn, mover, client)
        self.riders.append(rider)
        return rider

    @contextmanager
    def gathering(self, riders: Sequence[Rider] | None = None) -> Iterator[None]:
        """Hold the only connection while these movers read their batches, until all wait for it;
        then let them go, and wait for what becomes of them."""
        chosen = self.riders if riders is None else riders
        threads = [threading.Thread(target=rider.move) for rider in chosen]
        with self.holder.session():
            for thread in threads:
                thread.start()
            yield
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a mover has not come back"

    def gathered(self, count: int) -> None:
        """Wait until so many batches wait for a turn."""
        wait_until(lambda: self.waiting == count, 30, f"{count} batches waiting")

    @property
    def waiting(self) -> int:
        """How many batches wait for a turn."""
        return len(self.sharing._waiting)

    @property
    def leader(self) -> Rider:
        """Who takes the next turn."""
        return next(
            rider
            for rider in self.riders
            if (small := rider.mover._small_batches) and small._member is self.sharing._leader
        )

    def move_together(self) -> int:
        """Let all move a batch at the same time; how many transactions the target committed."""
        before = self.commits()
        with self.gathering():
            self.gathered(len(self.riders))
        return self.commits() - before

    def commits(self) -> int:
        """How many transactions have written to the target queue or a position."""
        row = self.target.execute("select txid_snapshot_xmax(txid_current_snapshot())").fetchone()
        assert row is not None
        return int(row[0])

    def assert_identical(self) -> None:
        """Every event of every source is on the target: once, unchanged, in order."""
        for queue in sorted({rider.target_queue for rider in self.riders}):
            sources = [
                queue_events(rider.source_db, rider.queue)
                for rider in self.riders
                if rider.target_queue == queue
            ]
            comparison = compare(sources, queue_events(self.target_db, queue))
            assert comparison.identical, comparison

    def close(self) -> None:
        """Close all connections."""
        for rider in self.riders:
            rider.mover.close()
            rider.conn.close()
        self.holder.close()
        self.target.close()
