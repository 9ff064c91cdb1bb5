"""`pgqadm create`, `drop`, `register` and `unregister`. Each returns one line about the result."""

import shlex
from typing import LiteralString

from psycopg import errors

from queue_mover.errors import OperatorError
from queue_mover.model import PGQ, Flavour
from queue_mover.pgq.queues import check_length, consumers, listed, require_queue
from queue_mover.pgq.refusals import explained, grant
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import one_line, primary


def create(conn: Connection, queue: str, *, flavour: Flavour = PGQ) -> str:
    """Create a queue, unless it exists. Raises OperatorError when that is not possible."""
    _check_name("queue", queue)
    check_length(conn, queue, flavour)
    with explained(conn, grant(conn, flavour.admin), flavour):
        created = _count(conn, flavour, "select {pgq}.create_queue(%s)", queue)
        if created:
            # A sequence reads 1 before and after its first value: the ticker would miss event 1.
            conn.execute(
                flavour.sql(
                    "select nextval(queue_event_seq::regclass) from {pgq}.queue"
                    " where queue_name = %s"
                ),
                [queue],
            )
    return f'queue "{queue}" created' if created else f'queue "{queue}" already exists'


def drop(conn: Connection, queue: str, *, flavour: Flavour = PGQ) -> str:
    """Drop a queue with its events. Raises OperatorError when it is in use, or does not exist."""
    with explained(conn, grant(conn, flavour.admin), flavour):
        try:
            _count(conn, flavour, "select {pgq}.drop_queue(%s)", queue)
        except errors.DependentObjectsStillExist as error:
            reason = one_line(error.diag.message_detail or primary(error))
            raise OperatorError(f'queue "{queue}" is in use: {reason}') from error
        except errors.RaiseException:
            # Checked afterwards: a consumer could register between a check and the drop.
            require_queue(conn, queue, flavour, needed=False)
            attached = consumers(conn, queue, flavour)
            if not attached:
                raise
            raise OperatorError(
                f'queue "{queue}" has consumers: {listed(attached)};'
                f" remedy: pgqadm.py CONFIG unregister {shlex.quote(queue)} CONSUMER for each"
            ) from None
    return f'queue "{queue}" dropped'


def register(conn: Connection, queue: str, consumer: str, *, flavour: Flavour = PGQ) -> str:
    """Register a consumer at the newest tick, unless it is registered.

    Raises OperatorError when the queue is missing or has never been ticked.
    """
    _check_name("consumer", consumer)
    with explained(conn, grant(conn, flavour.reader), flavour):
        require_queue(conn, queue, flavour)
        try:
            added = _count(conn, flavour, "select {pgq}.register_consumer(%s, %s)", queue, consumer)
        except errors.RaiseException as error:
            require_queue(conn, queue, flavour)
            raise OperatorError(f'queue "{queue}": {primary(error)}') from error
    if added:
        return f'consumer "{consumer}" registered on queue "{queue}"'
    return f'consumer "{consumer}" is already registered on queue "{queue}"'


def unregister(conn: Connection, queue: str, consumer: str, *, flavour: Flavour = PGQ) -> str:
    """Unregister a consumer, if it is registered; its retry events go with it.

    Raises OperatorError when the queue is missing.
    """
    with explained(conn, grant(conn, flavour.reader), flavour):
        removed = _count(conn, flavour, "select {pgq}.unregister_consumer(%s, %s)", queue, consumer)
        if removed:
            others = "" if removed == 1 else f", with {removed - 1} subconsumers"
            return f'consumer "{consumer}" unregistered from queue "{queue}"{others}'
        require_queue(conn, queue, flavour, needed=False)
        attached = consumers(conn, queue, flavour)
    return (
        f'consumer "{consumer}" is not registered on queue "{queue}"'
        f" (registered: {listed(attached) or 'none'})"
    )


def _count(conn: Connection, flavour: Flavour, call: LiteralString, *arguments: str) -> int:
    """Call a function of PgQ that returns how many things it changed."""
    statement = flavour.sql(call)
    try:
        row = conn.execute(statement, arguments).fetchone()
    except errors.UniqueViolation:
        # A concurrent call did the same and has committed: now PgQ sees it.
        row = conn.execute(statement, arguments).fetchone()
    return int(row[0]) if row else 0


def _check_name(kind: str, name: str) -> None:
    if not name.strip():
        raise OperatorError(f"the name of a {kind} must not be empty")
