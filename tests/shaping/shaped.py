"""A mover with a filter and rewrites."""

import logging

from queue_mover.model import BatchLimits, Policy, Route
from queue_mover.moving.mover import Mover
from queue_mover.postgres.database import Database
from tests.moving.pair import Pair


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
