"""The queues and consumers of a database, by name."""

import shlex

from queue_mover.errors import OperatorError
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres.connection import Connection


def check_length(conn: Connection, queue: str, flavour: Flavour = PGQ) -> None:
    """Raise OperatorError if a queue's name is longer than its PgQ allows."""
    longest = flavour.longest_queue_name
    if longest is None:
        return
    # In the database's encoding, as PgQue counts.
    row = conn.execute("select octet_length(%s::text)", [queue]).fetchone()
    if row and row[0] > longest:
        raise OperatorError(
            f'queue "{queue}": the name has {row[0]} bytes, {flavour.name} allows {longest};'
            " remedy: choose a shorter one"
        )


def consumers(conn: Connection, queue: str, flavour: Flavour = PGQ) -> list[str]:
    """The names of a queue's consumers."""
    found = conn.execute(
        flavour.sql("select consumer_name from {pgq}.get_consumer_info(%s) order by 1"), [queue]
    )
    return [name for (name,) in found]


def require_queue(
    conn: Connection, queue: str, flavour: Flavour = PGQ, *, needed: bool = True
) -> None:
    """Raise OperatorError, which lists the existing queues, if there is no such queue.

    needed: the queue was to be used, so creating it is the remedy.
    """
    found = conn.execute(flavour.sql("select queue_name from {pgq}.queue order by 1"))
    names = [name for (name,) in found]
    if queue not in names:
        remedy = f"; remedy: pgqadm.py CONFIG create {shlex.quote(queue)}" if needed else ""
        raise OperatorError(
            f'no queue "{queue}" in database "{conn.info.dbname}"'
            f" (existing: {listed(names) or 'none'}){remedy}"
        )


LISTED = 10
"""The most names that a message lists."""


def listed(names: list[str]) -> str:
    """Names separated by commas, no more than LISTED of them."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
