"""A batch with events that the target cannot take: everything else enters, those are kept.

The slow way, used only for a batch that has failed: events go in chunks, each under a
savepoint; a chunk that fails goes event by event. What is bad is the server's verdict,
not our guess.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import psycopg

from queue_mover.copy import COLUMNS, bad_event, client_encoding
from queue_mover.db import Connection, Cursor, boundary, one_line
from queue_mover.errors import BadEventError
from queue_mover.model import Route

SELECTED = f"{COLUMNS}, ev_id::text, ev_time::text"
"""What the SELECT of a careful copy brings: the events, and what names them in quarantine."""

CHUNK = 500
"""Events tried together."""

Row = Sequence[bytes | None]


def copy_sound_events(
    source: Connection,
    select: str,
    target: Connection,
    table: str,
    encoding: str,
    route: Route,
    origin: str,
) -> tuple[int, tuple[str, ...]]:
    """Copy what the target takes, quarantine the rest, all in its open transaction.

    Returns the events written, and a line about each one quarantined.
    """
    written, notes = 0, list[str]()
    reader = source.cursor()
    statement = f"COPY ({select}) TO STDOUT (FORMAT BINARY)"
    with (
        boundary("source"),
        client_encoding(source, encoding),
        reader.copy(statement) as rows,
        boundary("target"),
    ):
        for chunk in _chunks(rows.rows()):
            if _accepts(target, chunk, table, encoding) is None:
                written += len(chunk)
                continue
            for row in chunk:
                refusal = _accepts(target, [row], table, encoding)
                if refusal is None:
                    written += 1
                else:
                    notes.append(_keep(target, row, encoding, route, origin, refusal))
    return written, tuple(notes)


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    with boundary("source"):
        while chunk := list(islice(rows, CHUNK)):
            yield chunk


def _accepts(target: Connection, rows: list[Row], table: str, encoding: str) -> str | None:
    """Write rows under a savepoint. Returns None, or why the target refuses."""
    try:
        with target.transaction(), client_encoding(target, encoding):
            cursor: Cursor = target.cursor()
            with cursor.copy(
                f"COPY {table} ({COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()
            ) as sink:
                for row in rows:
                    sink.write_row(row[:-2])
    except psycopg.Error as error:
        if not isinstance(bad_event(error), BadEventError):
            raise
        return one_line(error.diag.message_primary or str(error))
    return None


def _keep(
    target: Connection, row: Row, encoding: str, route: Route, origin: str, reason: str
) -> str:
    number, time = ((field or b"").decode() for field in row[-2:])
    target.execute(
        "select queue_mover.quarantine_event(%s, %s, %s, %s, %s::timestamptz, %s, %s, %s)",
        [route.consumer, origin, route.queue, int(number), time, list(row[:6]), encoding, reason],
    )
    return f"event {number} ({time}): {reason}"
