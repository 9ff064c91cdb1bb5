"""`pgqadm install --notify`: any ticker announces its ticks, and wakes the movers that wait."""

from psycopg import errors

from queue_mover.errors import NotReadyError
from queue_mover.model import Flavour
from queue_mover.pgq.flavours import installed
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import primary

TRIGGER = "queue_mover_announce"


def announce_ticks(conn: Connection) -> list[str]:
    """Let the ticks of a database be announced. Returns a line about each PgQ in it. Safe to
    repeat.

    Raises NotReadyError where PgQ belongs to another role.
    """
    return [
        f"notify: {flavour.name} announces its ticks by itself"
        if flavour.announces_ticks
        else _announce(conn, flavour)
        for flavour in installed(conn)
    ]


def _announce(conn: Connection, flavour: Flavour) -> str:
    table = flavour.sql("{pgq}.tick")
    known = conn.execute(
        "select from pg_trigger where tgrelid = %s::regclass and tgname = %s", [table, TRIGGER]
    ).fetchone()
    if known is not None:
        return "notify: ticks are announced already"
    try:
        conn.execute(
            f"create trigger {TRIGGER} after insert on {table} referencing new table as new_ticks"
            " for each statement execute function queue_mover.announce_ticks()".encode()
        )
    except errors.InsufficientPrivilege as error:
        raise NotReadyError(
            f'database "{conn.info.dbname}": {primary(error)}; remedy: run install --notify as the'
            f" owner of {table}, or GRANT TRIGGER ON {table} to this role"
        ) from error
    return "notify: ticks are announced from now on"
