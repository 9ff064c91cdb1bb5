"""Waiting for a session to wait."""

import psycopg

from testbed.processes import wait_until


def wait_until_blocked(watcher: psycopg.Connection, blocked: psycopg.Connection) -> None:
    """Return once a session waits for a lock that another one holds."""
    pid = blocked.info.backend_pid
    statement = "select cardinality(pg_blocking_pids(%s))"

    def is_blocked() -> bool:
        row = watcher.execute(statement, [pid]).fetchone()
        return row is not None and row[0] > 0

    wait_until(is_blocked, 10, f"session {pid} to be blocked")
