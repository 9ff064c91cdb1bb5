"""An application's sessions in one database, as the server sees them."""

from psycopg import Connection

from testbed.database import value


def backends(conn: Connection, application: str) -> set[int]:
    """The pids of its backends."""
    rows = conn.execute(
        "select pid from pg_stat_activity"
        " where datname = current_database() and application_name = %s",
        [application],
    )
    return {row[0] for row in rows}


def blocked(conn: Connection, application: str) -> int:
    """How many of its backends are waiting for a lock."""
    statement = (
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database() and application_name = %s"
    )
    return int(value(conn, statement, application))
