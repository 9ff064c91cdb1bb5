"""A source queue whose events name the queues of a target, and the comparison of each of these."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import sql

from queue_mover.model import BatchLimits, Outcome, Policy, Result, Route
from queue_mover.moving.mover import Mover
from queue_mover.postgres import database
from testbed import processes
from testbed.compare import compare
from testbed.database import value
from testbed.events import Event, EventSet, queue_events, read_events
from testbed.queues import create_queue, qualified, queue_table
from tests.moving.pair import TICKS_AT_WILL, Pair

SPLIT = {"dst_queue_name": "", "dst_queue_field": "ev_extra1"}
"""The settings that make a mover split."""


class Splitter:
    """A pair whose events go to the queues of its target that their ev_extra1 names."""

    def __init__(self, pair: Pair, *queues: str) -> None:
        self.pair = pair
        self.queues = queues
        self._movers: list[Mover] = []
        for queue in queues:
            create_queue(pair.target, queue, **TICKS_AT_WILL)

    # When

    def mover(
        self, *, field: str = "ev_extra1", policy: Policy | None = None, **limits: Any
    ) -> Mover:
        """A mover in this process."""
        pair = self.pair
        mover = Mover(
            Route(pair.queue, pair.consumer, f"by {field}", split_field=field),
            BatchLimits(**limits),
            database.Database("source", pair.source_db.conninfo(), "in_process"),
            database.Database("target", pair.target_db.conninfo(), "in_process"),
            logging.getLogger("splitter"),
            policy or Policy(),
        )
        self._movers.append(mover)
        return mover

    def move(self, mover: Mover | None = None, **options: Any) -> list[Outcome]:
        """Move all that waits; what became of each batch."""
        return self.pair.move(mover or self.mover(**options))

    def close(self) -> None:
        """Close the connections of the movers in this process."""
        for mover in self._movers:
            mover.close()

    def command(self, **settings: Any) -> processes.Result:
        """Move all that waits, then end."""
        return self.pair.command(**{**SPLIT, "loop_delay": 0, **settings})

    def start(self, name: str = "mover", **settings: Any) -> processes.Process:
        """A mover as a process, registered."""
        return self.pair.start(name, **{**SPLIT, **settings})

    def register(self) -> None:
        """As a first start does."""
        assert self.mover().move_batch().result is Result.IDLE

    # Then

    def arrived(self, queue: str) -> list[Event]:
        """The events of a target queue, in order."""
        return read_events(self.pair.target_db, queue)

    def count(self) -> int:
        """The events in all target queues."""
        return sum(queue_events(self.pair.target_db, queue).count() for queue in self.queues)

    def wanted(self, queue: str, field: str = "extra1") -> list[Event]:
        """The events of the source that name a queue, in order."""
        return [e for e in self.pair.source_events.read() if getattr(e, field) == queue]

    def assert_identical(self, field: str = "extra1") -> None:
        """Each target queue has the source's events that name it: once, unchanged, in order."""
        for number, queue in enumerate(self.queues):
            view = f"public.wanted_{number}"
            source = self.pair.source
            source.execute(
                sql.SQL("create or replace view {} as select * from {} where {} = {}").format(
                    qualified(view),
                    qualified(queue_table(source, self.pair.queue)),
                    sql.Identifier(f"ev_{field}"),
                    sql.Literal(queue),
                )
            )
            wanted = EventSet(self.pair.source_db, view)
            comparison = compare([wanted], queue_events(self.pair.target_db, queue))
            assert comparison.identical, (queue, comparison)

    def quarantined(self) -> list[tuple[object, ...]]:
        """Number, ev_extra1 and reason of the events in quarantine."""
        return self.pair.target.execute(
            "select ev_id, ev_extra1, reason from queue_mover.quarantine"
            " where consumer = %s order by id",
            [self.pair.consumer],
        ).fetchall()


def numbered(count: int, queues: Sequence[str | None], data: str = "") -> list[Event]:
    """Different events, each for the next of the queues."""
    return [
        Event(type="t", data=f"{number}{data}", extra1=queues[number % len(queues)])
        for number in range(count)
    ]


def without_time(events: Sequence[Event]) -> list[Event]:
    """Events as `pgq.insert_event` writes them: it sets the time."""
    return [replace(event, time="") for event in events]


def transactions(splitter: Splitter) -> int:
    """How many transactions have written to the target queues."""
    tables = [queue_table(splitter.pair.target, queue) for queue in splitter.queues]
    every = sql.SQL(" union all ").join(
        sql.SQL("select ev_txid from {}").format(qualified(table)) for table in tables
    )
    return int(
        value(
            splitter.pair.target,
            sql.SQL("select count(distinct ev_txid) from ({}) every").format(every),
        )
    )
