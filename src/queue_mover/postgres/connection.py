"""Connections that record since when they wait for the server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]


class TimedConnection(Connection):
    """psycopg's connection, which waits in one method only."""

    waiting_since: float | None = None
    """On the monotonic clock; None: not waiting."""

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Wait, and record it."""
        with waiting(self):
            return super().wait(*args, **kwargs)


@contextmanager
def waiting(connection: Connection) -> Iterator[None]:
    """Record a wait that bypasses psycopg's method."""
    if not isinstance(connection, TimedConnection):
        yield
        return
    connection.waiting_since = time.monotonic()
    try:
        yield
    finally:
        connection.waiting_since = None
