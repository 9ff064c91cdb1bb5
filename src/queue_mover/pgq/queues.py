"""The queues and consumers that a database has, by name."""

from queue_mover.errors import OperatorError
from queue_mover.model import PGQ, Flavour
from queue_mover.postgres.connection import Connection


def consumers(conn: Connection, queue: str, flavour: Flavour = PGQ) -> list[str]:
    """The names of a queue's consumers."""
    found = conn.execute(
        flavour.sql("select consumer_name from {pgq}.get_consumer_info(%s) order by 1"), [queue]
    )
    return [name for (name,) in found]


def require_queue(
    conn: Connection, queue: str, flavour: Flavour = PGQ, *, needed: bool = True
) -> None:
    """Raise OperatorError, naming the queues there are, when this is none.

    needed: the queue was to be used, so that creating it would help.
    """
    found = conn.execute(flavour.sql("select queue_name from {pgq}.queue order by 1"))
    names = [name for (name,) in found]
    if queue not in names:
        remedy = f"; remedy: pgqadm.py CONFIG create {queue}" if needed else ""
        raise OperatorError(
            f'no queue "{queue}" in database "{conn.info.dbname}"'
            f" (existing: {listed(names) or 'none'}){remedy}"
        )


def listed(names: list[str], limit: int = 10) -> str:
    """Names in a row, no more than `limit` of them."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
