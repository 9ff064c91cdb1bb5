"""Write events with `pgq.insert_event`, for a target role that may not COPY into event tables.

Slower, and ev_time becomes the time of arrival: the function has no argument for it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg

from queue_mover.copying.copy import WHOLE, bad_event, client_encoding, encoded
from queue_mover.model import PGQ, Flavour, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

SELECT_COLUMNS = "ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4"
FIELDS = 6

CHUNK = 500
"""Events sent before waiting for the results."""
CHUNK_BYTES = 4 * 2**20
"""The same in bytes: memory holds no more than this plus one event."""

Row = Sequence[bytes | None]


def insert_events(
    source: Connection,
    select: str,
    target: Connection,
    encoding: str,
    route: Route,
    sent: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Insert the rows of a SELECT of SELECT_COLUMNS, in order. Returns the events written.
    `sent` is called with the events so far, and the bytes that COPY has sent: none.

    Raises BadEventError when the target rejects one of them.
    """
    written = 0
    with (
        rows_in_chunks(source, select, encoding, route.source_flavour) as chunks,
        translating_errors("target", route.target_flavour),
    ):
        for chunk in chunks:
            try:
                insert_rows(target, chunk, encoding, route)
            except psycopg.Error as error:
                raise bad_event(error) from error
            written += len(chunk)
            sent(written, 0)
    return written


def insert_rows(target: Connection, rows: Sequence[Row], encoding: str, route: Route) -> None:
    """Insert events whose first fields are SELECT_COLUMNS, as bytes in an encoding.

    The server converts them, and rejects what it cannot represent. Raises driver errors.
    """
    fields = ", ".join(["convert_from(%s::bytea, %s)"] * FIELDS)
    call = route.target_flavour.sql("select {pgq}.insert_event(%s, ") + f"{fields})"
    with target.cursor() as cursor:
        cursor.executemany(
            call.encode(),
            [
                (route.target_queue, *(x for value in row[:FIELDS] for x in (value, encoding)))
                for row in rows
            ],
        )


@contextmanager
def rows_in_chunks(
    source: Connection, select: str, encoding: str, flavour: Flavour = PGQ
) -> Iterator[Iterator[list[Row]]]:
    """The rows of a SELECT in chunks; errors of the source are translated here.

    `flavour`: of the source.
    """
    statement = f"COPY ({select}) TO STDOUT (FORMAT BINARY)"
    with (
        translating_errors("source", flavour),
        client_encoding(source, encoding),
        source.transaction(),
    ):
        # Dates as text are read by the target, whose DateStyle may be another one.
        source.execute(f"select {WHOLE}, set_config('datestyle', 'ISO', true)".encode())
        with source.cursor().copy(encoded(statement, source)) as reading:
            yield _chunks(reading.rows(), flavour)


def _chunks(rows: Iterator[Row], flavour: Flavour) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    # Consumed inside the target's translating_errors, which must not see the source's errors.
    with translating_errors("source", flavour):
        for row in rows:
            chunk.append(row)
            size += sum(len(value) for value in row if value)
            if len(chunk) == CHUNK or size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk
