"""What pgqadm works on where no flavour is named: each PgQ that a database has; who ticks it."""

from typing import LiteralString

from queue_mover.model import PGQ, PGQUE, Flavour
from queue_mover.pgq.flavours import has_queue, installed, named
from queue_mover.pgq.refusals import grant
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import quote_ident

_READABLE: LiteralString = "select has_table_privilege(to_regclass('{pgq}.config'), 'select')"

# A version before 0.2 knows pg_cron only, and has no column for it.
_SCHEDULER: LiteralString = """
    select coalesce(to_jsonb(c) ->> 'scheduler',
                    case when to_jsonb(c) ->> 'ticker_job_id' is not null then 'pg_cron' end)
      from {pgq}.config c
"""

# Before 0.3 it runs as its caller, and calls a function that PgQue grants to its admin alone.
_AS_CALLER: LiteralString = """
    select from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     where n.nspname = %s and p.proname = 'get_queue_info' and not p.prosecdef
"""


def present(connection: Connection, wanted: str = "") -> tuple[Flavour, ...]:
    """The wanted flavour, by its schema; else all that the database has, PgQ first.

    PgQ if it has none: a check of it follows.
    """
    chosen = named(wanted)
    return (chosen,) if chosen else installed(connection) or (PGQ,)


def having(
    connection: Connection, queue: str, flavours: tuple[Flavour, ...]
) -> tuple[Flavour, ...]:
    """Those of several flavours that have a queue; all of them if none has it."""
    if len(flavours) < 2:
        return flavours
    return tuple(each for each in flavours if has_queue(connection, queue, each)) or flavours


def reading_remedy(connection: Connection, flavour: Flavour) -> str:
    """The GRANTs with which the connection's user may read the state of all queues."""
    remedy = grant(connection, flavour.reader)
    if flavour != PGQUE:
        return remedy
    if connection.execute(_AS_CALLER, [flavour.schema]).fetchone() is not None:
        role = quote_ident(connection.info.user)
        remedy += f"; GRANT EXECUTE ON FUNCTION {flavour.schema}.seq_getval(text) TO {role}"
    return remedy


def scheduler(connection: Connection, flavour: Flavour) -> str | None:
    """What PgQue has been told to be ticked by: "pg_cron" or "pg_timetable".

    From the row that pgque.start() and pgque.start_timetable() write. None: neither, not PgQue, or
    the role may not read it.
    """
    if flavour != PGQUE or connection.execute(flavour.sql(_READABLE)).fetchone() != (True,):
        return None
    row = connection.execute(flavour.sql(_SCHEDULER)).fetchone()
    return str(row[0]) if row and row[0] else None
