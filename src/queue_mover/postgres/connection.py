"""Connections that tell since when they wait for their server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]


class TimedConnection(Connection):
    """The driver's connection, all of whose waits go through one method."""

    waiting_since: float | None = None
    """On the monotonic clock; None: it does not wait."""

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Wait, and let it be known."""
        with waiting(self):
            return super().wait(*args, **kwargs)


@contextmanager
def waiting(connection: Connection) -> Iterator[None]:
    """A wait that goes past the driver's method."""
    if not isinstance(connection, TimedConnection):
        yield
        return
    connection.waiting_since = time.monotonic()
    try:
        yield
    finally:
        connection.waiting_since = None
