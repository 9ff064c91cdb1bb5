"""Write a batch with events that the target rejects: those go into quarantine, the rest is moved.

The slow path, used only for a batch that has failed: events are written in chunks, each under a
savepoint; a chunk that fails is written event by event. The server decides what is bad.
"""

from collections.abc import Callable, Sequence

import psycopg

from queue_mover.copying.copy import bad_event, client_encoding, columns
from queue_mover.copying.copy_writer import writing_copy
from queue_mover.copying.insert import FIELDS, Row, rows_in_chunks
from queue_mover.errors import BadEventError, StatementError
from queue_mover.model import Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import primary, translating_errors


def select_columns(route: Route) -> str:
    """The columns to select: the events, and what identifies them in quarantine."""
    return f"{columns(route)}, ev_id::text, ev_time::text"


Write = Callable[[Sequence[Row]], None]
"""Writes events to the target; raises driver errors."""


def copy_rows(
    target: Connection, rows: Sequence[Row], table: str, encoding: str, route: Route
) -> None:
    """Write a few events of `select_columns` into an event table by COPY.

    Raises driver errors, and StatementError when a trigger of the target has dropped some.
    """
    writer = target.cursor()
    with client_encoding(target, encoding), writing_copy(writer, table, columns(route)) as sink:
        for row in rows:
            sink.write_row(row[:-2])
    if writer.rowcount != len(rows):
        raise StatementError(f"of {len(rows)} events, the target received {writer.rowcount}")


def write_good_events(
    source: Connection,
    select: str,
    target: Connection,
    write: Write,
    encoding: str,
    keep: Callable[[Row, str], str],
    route: Route,
) -> tuple[int, tuple[str, ...]]:
    """Write what the target accepts, `keep` the rest with the reason, all in its open transaction.

    Returns the events written, and what `keep` returned for the others.
    """
    written, notes = 0, list[str]()
    with (
        rows_in_chunks(source, select, encoding, route.source_flavour) as chunks,
        translating_errors("target", route.target_flavour),
    ):
        for chunk in chunks:
            kept = write_chunk(target, chunk, write, keep)
            written += len(chunk) - len(kept)
            notes += kept
    return written, tuple(notes)


def write_chunk(
    target: Connection, chunk: Sequence[Row], write: Write, keep: Callable[[Row, str], str]
) -> list[str]:
    """The same for some events. Returns what `keep` returned."""
    if _write_or_reason(target, chunk, write) is None:
        return []
    judged = ((row, _write_or_reason(target, [row], write)) for row in chunk)
    return [keep(row, reason) for row, reason in judged if reason is not None]


def _write_or_reason(target: Connection, rows: Sequence[Row], write: Write) -> str | None:
    """Write events under a savepoint. Returns None, or why the target rejects one of them."""
    try:
        with target.transaction():
            write(rows)
    except psycopg.Error as error:
        if not isinstance(bad_event(error), BadEventError):
            raise
        return primary(error)
    return None


def quarantine_event(
    target: Connection, row: Row, encoding: str, route: Route, origin: str, reason: str
) -> str:
    """Put an event of `select_columns` into quarantine. Returns a line about it."""
    number, time = ((field or b"").decode() for field in row[-2:])
    fields = list(row[:FIELDS])
    target.execute(
        "select queue_mover.quarantine_event(%s, %s, %s, %s, %s::timestamptz, %s, %s, %s)",
        [route.consumer, origin, route.queue, int(number), time, fields, encoding, reason],
    )
    return f"event {number} ({time}): {reason}"
