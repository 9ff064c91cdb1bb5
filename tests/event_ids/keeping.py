"""A pair of queues whose movers keep event IDs, and a consumer of the target."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from psycopg import sql

from queue_mover.model import Outcome
from testbed.database import Database, value
from testbed.events import Collector, Event, EventSet
from testbed.queues import insert_event, queue_table
from tests.moving.pair import Pair

TICKS_IF_NEW = {
    "ticker_max_count": 1,
    "ticker_max_lag": "1 hour",
    "ticker_idle_period": "1 hour",
}
"""A ticker that ticks as soon as the event sequence has moved, and else not for an hour."""


class Keeping:
    """A pair of queues, movers with keep_event_id = 1, and a consumer of the target."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        for name, setting in TICKS_IF_NEW.items():
            value(
                pair.target,
                "select pgq.set_queue_config(%s, %s, %s)",
                pair.target_queue,
                name,
                str(setting),
            )
        self.collector = Collector(pair.target_db, pair.target_queue)

    @classmethod
    @contextmanager
    def between(
        cls, source: Database, target: Database, directory: Path, number: int
    ) -> Iterator[Self]:
        """Both queues are empty; nobody is registered on the source."""
        pair = Pair(source, target, directory, number)
        keeping = cls(pair)
        yield keeping
        keeping.collector.close()
        pair.close()

    def move(self, **options: Any) -> list[Outcome]:
        """Move what waits."""
        return self.pair.move(**{"keep_event_id": True, **options})

    def tick_target(self) -> bool:
        """Let the target's ticker tick if it sees a reason."""
        return value(self.pair.target, "select pgq.ticker(%s)", self.pair.target_queue) is not None

    def drain(self) -> list[tuple[int | None, Event]]:
        """What the consumer of the target has got up to now, in order, with the IDs."""
        self.collector.drain()
        return with_ids(self.collector.events)

    @property
    def expected(self) -> list[tuple[int | None, Event]]:
        """The events of the source, in order, with their IDs."""
        return with_ids(self.pair.source_events)

    @property
    def sequence(self) -> int:
        """The last event ID that the target's sequence has given out."""
        table = sql.SQL(f"{queue_table(self.pair.target, self.pair.target_queue)}_id_seq")
        return int(value(self.pair.target, sql.SQL("select last_value from {}").format(table)))

    def insert_on_target(self, data: str) -> int:
        """What a local producer does."""
        return insert_event(self.pair.target, self.pair.target_queue, "local", data)


def with_ids(events: EventSet) -> list[tuple[int | None, Event]]:
    """Events in order, each with its ID, which two equal events may have different."""
    return [(event.id, event) for event in events.read()]


def second_source(keeping: Keeping, name: str = "second") -> Pair:
    """Another source queue, for the same target queue."""
    first = keeping.pair
    pair = Pair(first.source_db, first.target_db, first.directory / name, _next_number())
    pair.directory.mkdir()
    pair.target_queue = first.target_queue
    return pair


def _next_number() -> int:
    _NUMBERS.append(len(_NUMBERS) + 1001)
    return _NUMBERS[-1]


_NUMBERS: list[int] = []
