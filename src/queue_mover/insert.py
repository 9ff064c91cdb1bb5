"""Events through `pgq.insert_event`, for a target role that may not COPY into event tables.

Slower, and the time of an event becomes the time of its arrival: the function takes none.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import psycopg

from queue_mover.copy import bad_event
from queue_mover.db import Connection, boundary
from queue_mover.errors import BadEventError

SELECTED = "ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4"

CHUNK = 500
"""Events sent before the answers are awaited."""


def insert_events(source: Connection, select: str, target: Connection, queue: str) -> int:
    """Insert the rows of a SELECT of SELECTED, in their order. Returns the events written.

    Raises BadEventError when the target refuses one of them.
    """
    written = 0
    call = "select pgq.insert_event(%s, %s, %s, %s, %s, %s, %s)"
    with (
        boundary("source"),
        source.cursor().copy(f"COPY ({select}) TO STDOUT (FORMAT BINARY)".encode()) as rows,
        boundary("target"),
        target.cursor() as cursor,
    ):
        rows.set_types(["text"] * 6)
        for chunk in _chunks(rows.rows()):
            try:
                cursor.executemany(call, [(queue, *row) for row in chunk])
            except psycopg.Error as error:
                raise bad_event(error) from error
            written += len(chunk)
    return written


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    with boundary("source"):
        try:
            while chunk := list(islice(rows, CHUNK)):
                yield chunk
        except UnicodeDecodeError as error:
            raise BadEventError(f"not in the source's encoding: {error.reason}") from error
