"""A mover with a filter and rewrites."""

import itertools
import logging
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from queue_mover.model import BatchLimits, Policy, Route
from queue_mover.moving.mover import Mover
from queue_mover.postgres.database import Database
from testbed.events import Event
from testbed.queues import truncate_events
from tests.moving.pair import Pair

_numbers = itertools.count(1)


def shaped(
    pair: Pair,
    event_filter: str = "",
    *,
    tables: tuple[str, ...] = (),
    insert: bool = False,
    quarantine: bool = False,
    **rewrite: str,
) -> Mover:
    """A mover of the pair, in this process; `rewrite`: an expression for each column."""
    return Mover(
        Route(
            pair.queue,
            pair.consumer,
            pair.target_queue,
            tables,
            event_filter=event_filter,
            rewrite=tuple(rewrite.items()),
        ),
        BatchLimits(),
        Database("source", pair.source_db.conninfo(), "in_process"),
        Database("target", pair.target_db.conninfo(), "in_process"),
        logging.getLogger("mover"),
        Policy(insert=insert, quarantine=quarantine),
    )


class Again:
    """A batch that is moved again and again, each time by a consumer and a mover of its own: a
    queue for each shape would take ten times as long."""

    def __init__(self, pair: Pair, events: Sequence[Event]) -> None:
        self._pair = pair
        self._start = pair.tick()
        pair.insert(*events)

    def moved(self, event_filter: str = "", **shape: Any) -> list[Event]:
        """The events that arrive with such a mover, in order."""
        pair = self._pair
        pair.consumer = f"{pair.target_queue}_{next(_numbers)}"
        pair.source.execute(
            "select pgq.register_consumer_at(%s, %s, %s)", [pair.queue, pair.consumer, self._start]
        )
        truncate_events(pair.target, pair.target_queue)
        with closing(shaped(pair, event_filter, **shape)) as mover:
            pair.move(mover)
        return pair.target_events.read()
