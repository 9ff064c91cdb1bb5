"""Events as values, sets of events in a database, and a collecting consumer."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from psycopg import Connection, sql

from testbed.database import Database, value
from testbed.queues import qualified, queue_table

FIELDS = ("ev_type", "ev_data", "ev_extra1", "ev_extra2", "ev_extra3", "ev_extra4", "ev_time")
"""The columns that a mover must preserve."""

# Text, because Python's datetime can represent neither infinity nor the year 12000; in UTC,
# whatever the session's time zone.
_COLUMNS = sql.SQL(
    "ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4,"
    " (ev_time at time zone 'UTC')::text, ev_id, ev_txid"
)


@dataclass(frozen=True)
class Event:
    """One event. Two are equal if all that a mover must preserve is: id and txid may differ."""

    type: str | None = None
    data: str | None = None
    extra1: str | None = None
    extra2: str | None = None
    extra3: str | None = None
    extra4: str | None = None
    time: str = "2001-02-03 04:05:06.000007"
    """UTC, as PostgreSQL prints it: 2001-02-03 04:05:06.000007, infinity."""
    id: int | None = field(default=None, compare=False)
    txid: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class EventSet:
    """A table of events: those of a queue, or those that a collector has collected."""

    database: Database
    table: str
    """schema.table, with the columns of pgq.event_template"""
    collected: bool = False
    """whether it is a collector's, with two more columns: seq, and the event's tick"""

    @property
    def order(self) -> str:
        """The column that gives the order in which a consumer gets the events."""
        return "seq" if self.collected else "ev_id"

    def read(self, where: sql.Composable | None = None) -> list[Event]:
        """The events that meet the condition (default: all), in order."""
        statement = sql.SQL("select {} from {} where {} order by {}").format(
            _COLUMNS, qualified(self.table), where or sql.SQL("true"), sql.Identifier(self.order)
        )
        with self.database.connect() as conn:
            return [Event(*row) for row in conn.execute(statement)]

    def count(self) -> int:
        """The number of events."""
        statement = sql.SQL("select count(*) from {}").format(qualified(self.table))
        with self.database.connect() as conn:
            return int(value(conn, statement))


def queue_events(database: Database, queue: str) -> EventSet:
    """The events in a queue's tables now: all that no rotation has truncated yet."""
    with database.connect() as conn:
        return EventSet(database, queue_table(conn, queue))


def read_events(database: Database, queue: str) -> list[Event]:
    """The events of `queue_events`, in id order."""
    return queue_events(database, queue).read()


def insert_events(conn: Connection, queue: str, events: Iterable[Event]) -> int:
    """Insert events exactly as given, time included, in one transaction; returns how many.

    Their ids and transaction ids are ignored: the queue assigns its own.
    """
    statement = """
        select pgq.insert_event_raw(%s, null, %s::timestamp at time zone 'UTC', null, null,
                                    %s, %s, %s, %s, %s, %s)
    """
    rows = [(queue, e.time, e.type, e.data, e.extra1, e.extra2, e.extra3, e.extra4) for e in events]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(statement, rows)
    return len(rows)


class Collector:
    """A registered consumer that copies its batches into a table of the same database.

    Collected events survive the rotation of the queue's tables. Each batch is one transaction, so
    the table has each event once, in the order in which a consumer sees them.
    """

    def __init__(self, database: Database, queue: str, consumer: str = "collector") -> None:
        self.queue = queue
        self.consumer = consumer
        table = f"testbed.{queue}_{consumer}"
        self.events = EventSet(database, table, collected=True)
        self._conn = database.connect()
        self._conn.execute("set client_min_messages = warning")
        self._conn.execute("create schema if not exists testbed")
        self._conn.execute(
            sql.SQL(
                "create table if not exists {} "
                "(like pgq.event_template, seq bigserial primary key, tick bigint not null)"
            ).format(qualified(table))
        )
        self._conn.execute("select pgq.register_consumer(%s, %s)", [queue, consumer])

    def drain(self) -> int:
        """Take all available batches; returns the number of events in them."""
        total = 0
        while (events := self._take_batch()) is not None:
            total += events
        return total

    def _take_batch(self) -> int | None:
        """Take one batch; returns its number of events, None if there is no batch."""
        with self._conn.transaction():
            batch, tick = self._row(
                "select batch_id, cur_tick_id from pgq.next_batch_info(%s, %s)",
                self.queue,
                self.consumer,
            )
            if batch is None:
                return None
            (batch_sql,) = self._row("select pgq.batch_event_sql(%s)", batch)
            statement = sql.SQL(
                "insert into {table} ({columns}, tick) "
                "select {columns}, {tick} from ({batch}) as batch order by ev_id"
            ).format(
                table=qualified(self.events.table),
                columns=sql.SQL(", ").join(map(sql.Identifier, ("ev_id", "ev_txid", *FIELDS))),
                tick=sql.Literal(tick),
                batch=sql.SQL(str(batch_sql)),
            )
            copied = self._conn.execute(statement).rowcount
            self._row("select pgq.finish_batch(%s)", batch)
        return copied

    def _row(self, statement: str, *params: object) -> tuple[object, ...]:
        row = self._conn.execute(statement.encode(), params).fetchone()
        assert row is not None
        return row

    def close(self) -> None:
        """Disconnect; registration and table remain."""
        self._conn.close()
