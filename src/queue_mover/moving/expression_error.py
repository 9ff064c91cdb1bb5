"""Explain an error of the source by the operator's expressions."""

import psycopg

from queue_mover.errors import ExpressionError, QueueMoverError
from queue_mover.model import Batch, Route
from queue_mover.observation.expression_findings import shown
from queue_mover.pgq import batches
from queue_mover.pgq.failing_event import find_failure
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors


def explained(
    error: QueueMoverError, src: Connection, batch: Batch, route: Route
) -> QueueMoverError:
    """The error to raise when reading a batch failed: an ExpressionError where an expression
    fails for one of its events, else the same error."""
    if not isinstance(error.__cause__, psycopg.Error) or src.closed:
        return error
    with translating_errors("source", route.source_flavour):
        if not batches.is_active(src, route, batch):
            return error
        failure = find_failure(src, batch, route)
    if failure is None:
        return error
    return ExpressionError(
        f"source database: {failure.key} fails for {failure.event}: {failure.reason}:"
        f" {shown(failure.text)}; the batch is kept on the source; remedy: correct"
        f" {failure.key}, then reload (-r)"
    )
