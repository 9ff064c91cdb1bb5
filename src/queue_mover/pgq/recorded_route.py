"""Whether the route that the target has recorded for a consumer is that of its mover here."""

from typing import LiteralString

from queue_mover.model import Route
from queue_mover.postgres.connection import Connection

_MAY_READ: LiteralString = "select has_table_privilege('queue_mover.route', 'select')"
_READ: LiteralString = """
    select not exists (select from queue_mover.route r where r.consumer = %(consumer)s
                        and (r.queue, r.filtered) <> (%(queue)s, %(filtered)s))
"""
# For roles that may not read the table; it lists all consumers of the queue.
_LISTED: LiteralString = """
    select o.source is null
           or exists (select from queue_mover.consumers_into(%(queue)s) i
                       where i.consumer = %(consumer)s
                         and coalesce(i.filtered, %(filtered)s) = %(filtered)s)
      from queue_mover.get_origin(%(consumer)s) o
"""


def is_ours(connection: Connection, route: Route) -> bool:
    """Whether the mover of this consumer that started last writes to the same queue, with a filter
    if this one has one. Also true where nothing is recorded."""
    may_read = connection.execute(_MAY_READ).fetchone() == (True,)
    values = {
        "consumer": route.consumer,
        "queue": route.target_queue,
        "filtered": route.is_filtered,
    }
    return connection.execute(_READ if may_read else _LISTED, values).fetchone() == (True,)
