"""Events that a consumer has put back to retry them (`pgq.event_retry`): no other gets them.

They wait in pgq.retry_queue, then in the event tables, with the consumer as their owner. When it is
unregistered, PgQ drops the former, and nobody reads the latter.
"""

from dataclasses import dataclass

from psycopg import sql

from queue_mover.model import Route
from queue_mover.postgres.connection import Connection


@dataclass(frozen=True, slots=True)
class Retries:
    """Those of one consumer."""

    owner: int
    """Its subscription, which owns them."""
    table: str
    """The parent of the event tables."""
    due: int
    """In the event tables, and not read yet."""
    waiting: int | None
    """In pgq.retry_queue; None: the role may not read it."""


def read(connection: Connection, route: Route, tick: int) -> Retries | None:
    """Those of a route's consumer, which has read all up to a tick; None: it is not registered.

    Reads all event tables: they have no index by owner.
    """
    flavour = route.source_flavour
    row = connection.execute(
        flavour.sql("""
        select s.sub_id, q.queue_data_pfx, has_table_privilege('{pgq}.retry_queue', 'select')
          from {pgq}.queue q
          join {pgq}.subscription s on s.sub_queue = q.queue_id
          join {pgq}.consumer c on c.co_id = s.sub_consumer
         where q.queue_name = %s and c.co_name = %s
        """),
        [route.queue, route.consumer],
    ).fetchone()
    if row is None:
        return None
    owner, table, may_read = row
    due = _count(
        connection,
        sql.SQL(
            flavour.sql("""
            select count(*) from {pgq}.queue q join {pgq}.tick t on t.tick_queue = q.queue_id, {}
             where q.queue_name = %s and t.tick_id = %s
               and ev_owner = %s and ev_txid::text::bigint >= {tick_xmin}
            """)
        ).format(sql.Identifier(*table.split(".", 1))),
        [route.queue, tick, owner],
    )
    waiting = None
    if may_read:
        statement = flavour.sql("select count(*) from {pgq}.retry_queue where ev_owner = %s")
        waiting = _count(connection, sql.SQL(statement), [owner])
    return Retries(owner, table, due, waiting)


def _count(connection: Connection, statement: sql.SQL | sql.Composed, values: list[object]) -> int:
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return int(row[0])
