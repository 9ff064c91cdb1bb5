"""PgQ in a database: install, create queues, produce events, tick, rotate.

Every function takes a connection in autocommit mode: a tick sees committed events only.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psycopg import Connection, OperationalError, sql

from testbed.database import value
from testbed.programs import chosen

SQL = Path(__file__).parents[1] / "src" / "queue_mover" / "sql"


def install_pgq(conn: Connection) -> None:
    """Install PgQ, unless it is installed: Debian's extension, or the file that PGQ_SQL names."""
    conn.execute("set client_min_messages = warning")
    file = chosen().pgq_sql
    if file is None:
        conn.execute("create extension if not exists pgq")
    elif not value(conn, "select to_regnamespace('pgq') is not null"):
        conn.execute(file.read_bytes())
        # The file's looks for an extension, of which there is none.
        conn.execute(
            "create or replace function pgq.version() returns text language sql immutable"
            " as $$ select '3.5'::text $$"
        )
    conn.execute("reset client_min_messages")


def install_pgq_ext(conn: Connection) -> None:
    """Install the schemas of a target, pgq_ext and queue_mover, from this project's SQL files."""
    conn.execute("set client_min_messages = warning")
    for name in ("pgq_ext.sql", "queue_mover.sql"):
        conn.execute((SQL / name).read_bytes())
    conn.execute("reset client_min_messages")


def create_queue(conn: Connection, queue: str, **config: Any) -> None:
    """Create a queue; config as for pgq.set_queue_config, e.g. ticker_max_lag="1 second"."""
    conn.execute("select pgq.create_queue(%s)", [queue])
    for key, setting in config.items():
        conn.execute("select pgq.set_queue_config(%s, %s, %s)", [queue, key, str(setting)])


def queue_table(conn: Connection, queue: str) -> str:
    """The parent of a queue's event tables, e.g. pgq.event_1: selects from it see all of them."""
    row = conn.execute(
        "select queue_data_pfx from pgq.queue where queue_name = %s", [queue]
    ).fetchone()
    if row is None:
        raise LookupError(f"no queue {queue}")
    return str(row[0])


def current_table(conn: Connection, queue: str) -> sql.Identifier:
    """The table that a queue currently writes to."""
    return qualified(value(conn, "select pgq.current_event_table(%s)", queue))


def event_tables(conn: Connection, queue: str) -> list[sql.Identifier]:
    """The tables between which a queue rotates."""
    parent = queue_table(conn, queue)
    return [qualified(f"{parent}_{number}") for number in range(3)]


def count_from_first_event(conn: Connection, queue: str) -> None:
    """Make PgQ count the very first event of a new queue, which it otherwise overlooks."""
    conn.execute("select nextval(queue_event_seq) from pgq.queue where queue_name = %s", [queue])


def truncate_events(conn: Connection, queue: str) -> None:
    """Delete all events of a queue."""
    tables = sql.SQL(", ").join(event_tables(conn, queue))
    conn.execute(sql.SQL("truncate {}").format(tables))


@contextlib.contextmanager
def locked_queue(conn: Connection, queue: str) -> Iterator[None]:
    """Block writes to a queue within the block, by a transaction on this connection."""
    tables = sql.SQL(", ").join(event_tables(conn, queue))
    conn.execute("begin")
    conn.execute(sql.SQL("lock {} in exclusive mode").format(tables))
    yield
    # The server may have restarted meanwhile.
    with contextlib.suppress(OperationalError):
        conn.execute("rollback")


def qualified(table: str) -> sql.Identifier:
    """An identifier from schema.table."""
    return sql.Identifier(*table.split("."))


def insert_event(conn: Connection, queue: str, ev_type: str | None, data: str | None) -> int:
    """Insert one event; returns its id."""
    return int(value(conn, "select pgq.insert_event(%s, %s, %s)", queue, ev_type, data))


def insert_bytes(
    conn: Connection, queue: str, ev_type: bytes, data: bytes, *extras: bytes | None
) -> None:
    """Insert one event whose fields are exactly these bytes, valid text or not.

    The extras are extra1 and so on; omitted ones are NULL.
    """
    fields = [ev_type, data, *extras, *[None] * (4 - len(extras))]
    text = sql.SQL("convert_from(%s, getdatabaseencoding())")
    statement = sql.SQL("select pgq.insert_event(%s, {})").format(sql.SQL(", ").join([text] * 6))
    conn.execute(statement, [queue, *fields])


def produce(
    conn: Connection,
    queue: str,
    count: int,
    *,
    first: int = 1,
    label: str = "event",
    data_bytes: int = 100,
) -> int:
    """Insert many events fast, in one transaction; returns how many.

    They differ in data (`label:number:padding`, about data_bytes bytes) and time, alternate in
    type, and have NULLs and empty strings among their extra fields. extra1 names a table, as
    triggers do: public.t0, public.t1, public.t2.
    """
    with conn.transaction():
        # The transaction id first: if the queue rotates before we write, batches still cover the
        # table that we write to.
        conn.execute("select txid_current()")
        table = current_table(conn, queue)
        statement = sql.SQL("""
            insert into {table}
                (ev_time, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
            select clock_timestamp() + i * interval '1 microsecond',
                   (array['I', 'U', 'D'])[1 + i %% 3],
                   rpad(head, greatest(length(head), %(bytes)s::int), md5(head)),
                   'public.t' || i %% 3,
                   case when i %% 2 = 0 then i::text end,
                   case when i %% 5 = 0 then '' end,
                   case when i %% 7 = 0 then 'ünï ✓ ' || i end
              from generate_series(%(first)s::bigint, %(last)s::bigint) as i,
                   concat_ws(':', %(label)s::text, i, '') as head
        """).format(table=table)
        conn.execute(
            statement,
            {"label": label, "bytes": data_bytes, "first": first, "last": first + count - 1},
        )
    return count


def tick(conn: Connection, queue: str) -> int:
    """Force a tick now, whatever the queue's ticker settings; returns its id.

    It leaves a gap of some thousand in the event ids, which is how PgQ forces a tick.
    """
    conn.execute("select pgq.force_tick(%s)", [queue])
    made = value(conn, "select pgq.ticker(%s)", queue)
    # None if a pgqd ticked between the two statements.
    return last_tick(conn, queue) if made is None else int(made)


def last_tick(conn: Connection, queue: str) -> int:
    """The id of the queue's latest tick."""
    return int(value(conn, "select last_tick_id from pgq.get_queue_info(%s)", queue))


def rotate(conn: Connection, queue: str) -> bool:
    """Start writing to the queue's next table, which is truncated first; False if not allowed.

    PgQ refuses while a consumer still needs the table that would be truncated.
    """
    before = current_table(conn, queue)
    conn.execute("select pgq.maint_rotate_tables_step2()")
    conn.execute(
        "update pgq.queue set queue_switch_time = now() - queue_rotation_period - interval '1 hour'"
        " where queue_name = %s",
        [queue],
    )
    conn.execute("select pgq.maint_rotate_tables_step1(%s)", [queue])
    conn.execute("select pgq.maint_rotate_tables_step2()")
    return current_table(conn, queue) != before
