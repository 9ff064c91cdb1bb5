"""An application's sessions in one database, as the server sees them."""

from psycopg import Connection

from testbed.database import Database, value
from testbed.pgbouncer import clients


def backends(conn: Connection, application: str) -> set[int]:
    """The pids of its backends."""
    rows = conn.execute(
        "select pid from pg_stat_activity"
        " where datname = current_database() and application_name = %s",
        [application],
    )
    return {row[0] for row in rows}


def sessions(database: Database, conn: Connection, application: str) -> set[int]:
    """Its sessions, as numbers that no two of them share: the pids of its backends; through a
    pooler, which gives backends to one client after another, the ports of its clients."""
    if database.pooler:
        return clients(database.pooler, database.name, application)
    return backends(conn, application)


def blocked(conn: Connection, application: str) -> int:
    """How many of its backends are waiting for a lock."""
    statement = (
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database() and application_name = %s"
    )
    return int(value(conn, statement, application))
