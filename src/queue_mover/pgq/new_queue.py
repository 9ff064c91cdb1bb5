"""Create a target queue with the settings of its source queue."""

from typing import LiteralString

import psycopg

from queue_mover.errors import NotReadyError
from queue_mover.model import Route
from queue_mover.pgq.refusals import explained, grant
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import lock_key
from queue_mover.postgres.translation import translating_errors

SETTINGS: tuple[LiteralString, ...] = (
    "ticker_max_count",
    "ticker_max_lag",
    "ticker_idle_period",
    "rotation_period",
)
"""What a queue takes over. Not whether its ticker is paused or an external one, nor whether inserts
are disabled: those are states of the source."""

ZEROS = ("0", "00:00:00")
"""A setting of 0, as text."""

LOCK_WAIT: LiteralString = "30s"


def create_target_queue(src: Connection, dst: Connection, route: Route) -> bool:
    """Create the target queue, settings included, unless it exists; then it stays as it is.

    Returns whether it was created. Raises a QueueMoverError.
    """
    with translating_errors("source", route.source_flavour):
        values = _settings(src, route)
    flavour = route.target_flavour
    remedy = grant(dst, flavour.admin)
    with translating_errors("target", flavour), explained(dst, remedy, flavour):
        try:
            return _create(dst, route, values)
        except psycopg.errors.UniqueViolation:
            # Somebody who does not take our lock was faster.
            return False


def _settings(src: Connection, route: Route) -> tuple[str, ...]:
    columns = ", ".join(f"queue_{name}::text" for name in SETTINGS)
    statement = f"select {columns} from {route.source_flavour.schema}.queue where queue_name = %s"
    row = src.execute(statement.encode(), [route.queue]).fetchone()
    if row is None:
        raise NotReadyError(f'source database: no queue "{route.queue}"')
    return row


def _create(dst: Connection, route: Route, values: tuple[str, ...]) -> bool:
    sql, queue = route.target_flavour.sql, route.target_queue
    with dst.transaction():
        dst.execute(f"select set_config('lock_timeout', '{LOCK_WAIT}', true)")
        dst.execute("select pg_advisory_xact_lock(%s)", [lock_key("create", queue)])
        if dst.execute(sql("select {pgq}.create_queue(%s)"), [queue]).fetchone() != (1,):
            return False
        # A sequence reads 1 before and after its first value: the ticker would miss event 1.
        dst.execute(
            sql("select nextval(queue_event_seq::regclass) from {pgq}.queue where queue_name = %s"),
            [queue],
        )
        for name, value in zip(SETTINGS, values, strict=True):
            if value in ZEROS and not route.target_flavour.takes_zero:
                # Its own default.
                continue
            dst.execute(sql("select {pgq}.set_queue_config(%s, %s, %s)"), [queue, name, value])
    return True
