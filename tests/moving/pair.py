"""A source queue, a target queue, and movers between them."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from queue_mover.model import BatchLimits, Outcome, Policy, Result, Route
from queue_mover.moving.mover import Mover
from queue_mover.postgres import database
from queue_mover.postgres.connection import Connection
from testbed import processes
from testbed.compare import Comparison, compare
from testbed.database import Database, value
from testbed.events import Event, EventSet, insert_events, queue_events
from testbed.processes import Process, run, script, wait_until, write_ini
from testbed.queues import count_from_first_event, create_queue, insert_event, produce

# A queue that ticks whenever it is asked to, without a gap in the event ids.
TICKS_AT_WILL = {"ticker_max_count": 0, "ticker_max_lag": "0", "ticker_idle_period": "0"}

Action = Callable[[], object]


class Interposed(database.Database):
    """A database whose second session is preceded by something that happens elsewhere.

    The first session of a mover looks around; the second is its batch.
    """

    action: Action | None = None
    _sessions = 0

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """The connection, after the action."""
        self._sessions += 1
        if self.action and self._sessions == 2:
            self.action()
        with super().session() as connection:
            yield connection


class Pair:
    """Two databases with a queue each, and a consumer from one to the other."""

    def __init__(
        self, source_db: Database, target_db: Database, directory: Path, number: int = 1
    ) -> None:
        """The number keeps apart pairs that share their databases."""
        self.queue = f"from_here_{number}"
        self.target_queue = f"to_here_{number}"
        self.consumer = f"mover_{number}"
        self.source_db = source_db
        self.target_db = target_db
        self.directory = directory
        self.source = source_db.connect()
        self.target = target_db.connect()
        create_queue(self.source, self.queue, **TICKS_AT_WILL)
        create_queue(self.target, self.target_queue, **TICKS_AT_WILL)
        count_from_first_event(self.source, self.queue)
        self._movers: list[Mover] = []

    def close(self) -> None:
        """Close all connections."""
        for mover in self._movers:
            mover.close()
        self.source.close()
        self.target.close()

    # Given

    def insert(self, *events: Event) -> None:
        """Insert events on the source, in one transaction, and tick."""
        insert_events(self.source, self.queue, events)
        self.tick()

    def produce(self, count: int = 10, *, label: str = "event", last: str = "") -> int:
        """Insert many different events on the source, then the last one, and tick; the tick."""
        produce(self.source, self.queue, count, label=label)
        if last:
            insert_event(self.source, self.queue, "t", last)
        return self.tick()

    def tick(self) -> int:
        """Make a tick on the source; its id."""
        return int(value(self.source, "select pgq.ticker(%s)", self.queue))

    def register(self) -> None:
        """Register the consumer as a first start does: from now on."""
        self.mover().move_batch()

    # When

    def ini(self, name: str = "mover", **settings: object) -> Path:
        """A config file: settings replace those that make it move this pair, and quickly."""
        usual = {
            "src_db": self.source_db.conninfo(),
            "dst_db": self.target_db.conninfo(),
            "queue_name": self.queue,
            "dst_queue_name": self.target_queue,
            "consumer_name": self.consumer,
            "loop_delay": 0.05,
            "exception_sleep": 0.1,
        }
        return write_ini(self.directory / f"{name}.ini", "queue_mover3", {**usual, **settings})

    def mover(
        self,
        meanwhile: Action | None = None,
        *,
        tables: Sequence[str] = (),
        insert: bool = False,
        keep_event_id: bool = False,
        **limits: Any,
    ) -> Mover:
        """A mover in this process; insert instead of COPY; limits are those of BatchLimits.

        meanwhile: what happens when it has its first batch and has not reached the target yet.
        """
        target = Interposed("target", self.target_db.conninfo(), "in_process")
        target.action = meanwhile
        mover = Mover(
            Route(
                self.queue,
                self.consumer,
                self.target_queue,
                tuple(tables),
                keep_event_id=keep_event_id,
            ),
            BatchLimits(**limits),
            database.Database("source", self.source_db.conninfo(), "in_process"),
            target,
            logging.getLogger("mover"),
            Policy(insert=insert),
        )
        self._movers.append(mover)
        return mover

    def move(self, mover: Mover | None = None, **options: Any) -> list[Outcome]:
        """Move batches until none waits, and stop; what became of each."""
        mover = mover or self.mover(**options)
        outcomes = []
        while (outcome := mover.move_batch()).result is not Result.IDLE:
            if outcome.result is Result.WATCHING:
                time.sleep(0.1)
                continue
            outcomes.append(outcome)
            assert len(outcomes) < 1000, "it does not come to an end"
        mover.finish()
        return outcomes

    def start(self, name: str = "mover", **settings: Any) -> Process:
        """A mover as a process, registered and looking for batches."""
        process = processes.mover(self.ini(name, **settings), name=name)
        wait_until(
            lambda: self.subscription() is not None or not process.running, 30, "the registration"
        )
        return process

    def command(self, *switches: str, **settings: Any) -> processes.Result:
        """Run queue_mover3 with these switches to its end."""
        return run([script("queue_mover3"), *switches, self.ini(**settings)])

    # Then

    def subscription(self) -> tuple[int, int | None, int | None] | None:
        """The consumer's last tick, active batch and that batch's end; None: not registered."""
        return self.source.execute(
            "select last_tick, current_batch, next_tick from pgq.get_consumer_info(%s, %s)",
            [self.queue, self.consumer],
        ).fetchone()

    @property
    def position(self) -> int | None:
        """The position on the target."""
        position: int | None = value(self.target, "select pgq_ext.get_last_tick(%s)", self.consumer)
        return position

    @property
    def source_events(self) -> EventSet:
        """The events on the source."""
        return queue_events(self.source_db, self.queue)

    @property
    def target_events(self) -> EventSet:
        """The events on the target."""
        return queue_events(self.target_db, self.target_queue)

    def compared(self) -> Comparison:
        """The target, compared with the source."""
        return compare([self.source_events], self.target_events)

    def assert_identical(self) -> None:
        """All events of the source are on the target: once, unchanged, in order."""
        comparison = self.compared()
        assert comparison.identical, comparison

    def wait_for(self, count: int) -> None:
        """Wait until the target has so many events."""
        wait_until(lambda: self.target_events.count() >= count, 30, f"{count} events on the target")


def age(pair: Pair, interval: str, *, first: bool = False) -> None:
    """Make the ticks that wait so old; with `first`, the one where the consumer stands instead.

    Another time is another tick: a position at the one where it stands is forgotten.
    """
    if first:
        value(pair.target, "select pgq_ext.set_last_tick(%s, null::bigint)", pair.consumer)
    pair.source.execute(
        """
        update pgq.tick set tick_time = now() - %s::interval
          from pgq.queue, pgq.subscription
         where queue_id = tick_queue and sub_queue = queue_id and queue_name = %s
           and case when %s then tick_id = sub_last_tick else tick_id > sub_last_tick end
        """,
        [interval, pair.queue, first],
    )
