"""Read the state of a database for `pgqadm status`, from one snapshot."""

from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from queue_mover.model import PGQ, Flavour
from queue_mover.pgq.presence import reading_remedy, scheduler
from queue_mover.pgq.queues import require_queue
from queue_mover.pgq.refusals import explained
from queue_mover.pgq.server import NEWEST_TXID, pgq_version
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import has_function, schema_exists


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue. Periods and ages are in seconds."""

    name: str
    tables: int
    current_table: int
    rotation_period: float
    since_rotation: float
    half_rotated: bool
    """The second step of the last rotation is missing."""
    tick_holds: bool
    """An open transaction holds back the rotation, even with all consumers at the newest tick."""
    external_ticker: bool
    ticker_paused: bool
    inserts_disabled: bool
    max_count: int
    max_lag: float
    idle_period: float
    since_tick: float | None
    """None: the queue has no tick yet."""
    last_tick: int | None
    events_per_second: float | None
    """Over about the last twenty ticks; None: too few ticks."""
    new_events: int | None
    """Inserted since the last tick."""
    txid: int
    tick_txid: int | None
    """The server's next transaction ID, and the one at the last tick."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer of a queue. Ages are in seconds."""

    queue: str
    name: str
    lag: float | None
    """The age of the last tick it has finished; None: no such tick any more, or a subconsumer."""
    since_seen: float
    """Since it last took or finished a batch."""
    last_tick: int | None
    batch: int | None
    """Its active batch."""
    batch_end: int | None
    """The tick that its active batch ends with."""
    pending: int | None
    """Events between its position and the newest tick."""
    waiting: float | None
    """The age of the first tick after its position; None: no tick is waiting, or a subconsumer."""
    holds: bool
    """It may still need the table that the next rotation would truncate."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Events of a consumer that this database, the target, rejected."""

    consumer: str
    events: int
    since: float
    """The age of the oldest, in seconds."""


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """A database, its queues and their consumers, by name."""

    database: str
    postgresql: str
    is_standby: bool
    pgq: str | None
    """What pgq.version() returns; None: NULL, and pgqd ignores the database."""
    pgq_ext: str | None
    """The version of pgq_ext; None: not installed."""
    queues: tuple[Queue, ...]
    consumers: tuple[Consumer, ...]
    quarantined: tuple[Quarantine, ...] | None
    """By consumer; None: readable by the admin role only."""
    flavour: Flavour = PGQ
    scheduler: str | None = None
    """What has been set up to tick PgQue from inside the server; None: nothing."""


_QUEUES: LiteralString = """
select q.queue_name as name,
       q.queue_ntables as tables,
       q.queue_cur_table as current_table,
       extract(epoch from q.queue_rotation_period)::float8 as rotation_period,
       extract(epoch from now() - q.queue_switch_time)::float8 as since_rotation,
       q.queue_switch_step2 is null as half_rotated,
       coalesce({tick_xmin} <= q.queue_switch_step2, false) as tick_holds,
       q.queue_external_ticker as external_ticker,
       q.queue_ticker_paused as ticker_paused,
       q.queue_disable_insert as inserts_disabled,
       q.queue_ticker_max_count as max_count,
       extract(epoch from q.queue_ticker_max_lag)::float8 as max_lag,
       extract(epoch from q.queue_ticker_idle_period)::float8 as idle_period,
       extract(epoch from i.ticker_lag)::float8 as since_tick,
       i.last_tick_id as last_tick,
       i.ev_per_sec as events_per_second,
       i.ev_new as new_events,
       txid_snapshot_xmax(txid_current_snapshot()) as txid,
       {newest_txid} as tick_txid
  from {pgq}.queue q
  join {pgq}.get_queue_info(%(queue)s::text) i on i.queue_name = q.queue_name
  left join {pgq}.tick t on t.tick_queue = q.queue_id and t.tick_id = i.last_tick_id
 order by q.queue_name
""".replace("{newest_txid}", NEWEST_TXID)

_CONSUMERS: LiteralString = """
select c.queue_name as queue,
       c.consumer_name as name,
       extract(epoch from c.lag)::float8 as lag,
       extract(epoch from c.last_seen)::float8 as since_seen,
       c.last_tick,
       c.current_batch as batch,
       c.next_tick as batch_end,
       c.pending_events as pending,
       extract(epoch from now() - next.tick_time)::float8 as waiting,
       coalesce({tick_xmin} <= q.queue_switch_step2, false) as holds
  from {pgq}.get_consumer_info() c
  join {pgq}.queue q on q.queue_name = c.queue_name
  left join {pgq}.tick t on t.tick_queue = q.queue_id and t.tick_id = c.last_tick
  left join lateral (
       select n.tick_time from {pgq}.tick n
        where n.tick_queue = q.queue_id and n.tick_id > c.last_tick
        order by n.tick_queue, n.tick_id limit 1) next on true
 where (%(queue)s::text is null or q.queue_name = %(queue)s)
   and (%(consumer)s::text is null or c.consumer_name = %(consumer)s)
 order by c.queue_name, c.consumer_name
"""


def gather(conn: Connection, queue: str | None = None, flavour: Flavour = PGQ) -> DatabaseStatus:
    """Read a database, or one queue of it.

    Raises OperatorError if it has no PgQ, or no such queue.
    """
    with explained(conn, reading_remedy(conn, flavour), flavour), conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read only")
        queues = read_queues(conn, queue, flavour)
        if queue is not None and not queues:
            require_queue(conn, queue, flavour)
        consumers = read_consumers(conn, queue, flavour=flavour)
        row = conn.execute(
            "select current_setting('server_version'), pg_is_in_recovery()"
        ).fetchone()
        assert row is not None
        return DatabaseStatus(
            database=conn.info.dbname,
            # Debian appends its package version in brackets.
            postgresql=str(row[0]).partition(" ")[0],
            is_standby=row[1],
            pgq=pgq_version(conn, flavour),
            pgq_ext=_pgq_ext_version(conn),
            queues=queues,
            consumers=consumers,
            quarantined=read_quarantine(conn),
            flavour=flavour,
            scheduler=scheduler(conn, flavour),
        )


def read_queues(
    conn: Connection, queue: str | None = None, flavour: Flavour = PGQ
) -> tuple[Queue, ...]:
    """All queues, or the one of this name, if it exists."""
    with conn.cursor(row_factory=class_row(Queue)) as cursor:
        return tuple(cursor.execute(flavour.sql(_QUEUES), {"queue": queue}))


def read_consumers(
    conn: Connection,
    queue: str | None = None,
    consumer: str | None = None,
    flavour: Flavour = PGQ,
) -> tuple[Consumer, ...]:
    """All consumers, or those of this queue or name."""
    with conn.cursor(row_factory=class_row(Consumer)) as cursor:
        values = {"queue": queue, "consumer": consumer}
        return tuple(cursor.execute(flavour.sql(_CONSUMERS), values))


def read_quarantine(conn: Connection, consumer: str | None = None) -> tuple[Quarantine, ...] | None:
    """Quarantined events by consumer, or of one consumer; None: the role may not read them."""
    table = "queue_mover.quarantine"
    row = conn.execute(
        """
        select c.oid is null, has_table_privilege(c.oid, 'select')
          from (values (to_regclass(%s)::oid)) as c (oid)
        """,
        [table],
    ).fetchone()
    assert row is not None
    is_absent, is_allowed = row
    if is_absent:
        return ()
    if not is_allowed:
        return None
    with conn.cursor(row_factory=class_row(Quarantine)) as cursor:
        cursor.execute(
            """
            select consumer, count(*) as events,
                   extract(epoch from now() - min(arrived))::float8 as since
              from queue_mover.quarantine
             where %(consumer)s::text is null or consumer = %(consumer)s
             group by consumer order by consumer
            """,
            {"consumer": consumer},
        )
        return tuple(cursor)


def _pgq_ext_version(conn: Connection) -> str | None:
    if not schema_exists(conn, "pgq_ext"):
        return None
    if not has_function(conn, "pgq_ext.version()"):
        return "of unknown version"
    row = conn.execute("select pgq_ext.version()").fetchone()
    return str(row[0]) if row and row[0] else "of unknown version"
