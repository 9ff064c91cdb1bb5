"""Which expression fails for which event of a batch. Reads the batch again, after an error only."""

from contextlib import suppress
from dataclasses import dataclass, replace

import psycopg

from queue_mover.errors import UnavailableError
from queue_mover.model import Batch, Route
from queue_mover.pgq.batches import describe_event, event_select
from queue_mover.pgq.expressions import FILTER, typed
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import primary, translate


@dataclass(frozen=True, slots=True)
class Failure:
    """An expression that fails, and for which event."""

    key: str
    text: str
    event: str
    reason: str


def find_failure(connection: Connection, batch: Batch, route: Route) -> Failure | None:
    """The first expression that fails, and the first event that it fails for; None: all work.

    Raises driver errors where the source is unavailable. `connection`: in the encoding of the
    copy that failed.
    """
    for key, text in route.expressions:
        # The filter decides which events the others see.
        seen = replace(route, event_filter="") if key == FILTER else route
        number, reason = _evaluate(connection, batch, seen, typed(key, text))
        if reason:
            event = describe_event(connection, batch, seen, number)
            return Failure(key, text, event, reason)
    return None


def _evaluate(connection: Connection, batch: Batch, route: Route, value: str) -> tuple[int, str]:
    """Evaluate an expression for one event after the other, in their order. Returns the number of
    the event that it fails for, from 1, and why; "": for none."""
    events = event_select(batch, route, "ev.*")
    # Sorted below the expression, so that what has arrived is what it works for.
    statement = f"copy (select ({value}) is null from ({events} offset 0) ev) to stdout"
    number = 1
    try:
        with connection.cursor().copy(statement.encode()) as reading:
            for _ in reading:
                number += 1
    except psycopg.Error as error:
        with suppress(psycopg.Error):
            connection.rollback()
        if isinstance(translate(error, "source"), UnavailableError):
            raise
        return number, primary(error)
    return number, ""
