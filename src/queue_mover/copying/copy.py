"""Copy a batch from one COPY straight into the other.

Both sides use COPY's binary format, so no value is parsed, no row becomes a Python object, and
every field arrives unchanged. Memory holds one block, or one event that is larger.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from queue_mover.copying.copy_reader import CopyReader
from queue_mover.copying.copy_writer import writing_copy
from queue_mover.errors import BadEventError, NotReadyError, StatementError
from queue_mover.model import Flavour, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import primary, translating_errors

if TYPE_CHECKING:
    from queue_mover.copying.event_ids import EventIds

COLUMNS = "ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4, ev_time"
"""What is copied; the target's sequence and transaction supply the event ID and the txid."""

UNSUPPORTED_ENCODINGS = ("EUC_TW", "MULE_INTERNAL")
"""Encodings without a Python codec."""

WHOLE = "set_config('row_security', 'off', true)"
"""For each COPY of a batch: row-level security then raises an error, instead of hiding events."""

SORTING = (
    f"select {WHOLE}, set_config('work_mem', '32MB', true),"
    " set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true)"
)
"""For the source's COPY only. Its rows arrive nearly sorted: more memory, parallel workers or JIT
would not make the sort faster, and would take resources from others."""

_PLACE = re.compile(r"line (\d+)(?:, column (\w+))?")
_BAD_DATA = ("22", "23")
"""SQLSTATE classes of errors in the data: the same event would fail again."""


def columns(route: Route) -> str:
    """What is copied for a route: COLUMNS, and the event ID last if it is kept."""
    return f"{COLUMNS}, ev_id" if route.keep_event_id else COLUMNS


def collected_ids(route: Route) -> "EventIds | None":
    """What collects the event IDs of a batch; None: the route does not keep them."""
    if not route.keep_event_id:
        return None
    from queue_mover.copying.event_ids import EventIds  # noqa: PLC0415

    return EventIds()


def common_encoding(source: str, target: str) -> str:
    """The client encoding to use on both sides, from the two server encodings.

    The source's own, so that bytes are sent as stored and only the target converts: it can
    reject them, and its error names the event. UTF-8 where PostgreSQL may not convert directly,
    or the driver does not support the encoding.
    """
    direct = source == target or "UTF8" in (source, target) or "SQL_ASCII" in (source, target)
    if source in UNSUPPORTED_ENCODINGS and source == target:
        # With SQL_ASCII neither server converts, and the target still validates.
        return "SQL_ASCII"
    return source if direct and source not in UNSUPPORTED_ENCODINGS else "UTF8"


def copy_events(
    source: Connection,
    select: str,
    target: Connection,
    table: str,
    encoding: str,
    route: Route,
    sent: Callable[[int, int], None] = lambda *_: None,
) -> "tuple[int, EventIds | None]":
    """Copy the rows of a SELECT of `columns` into an event table. Returns the events written, and
    their IDs if the route keeps them.
    `sent` is called for each block that has been handed on: events so far, size of the block.

    Raises BadEventError when the target rejects one of them, StatementError when the two
    counts differ.
    """
    writer = target.cursor()
    ids = collected_ids(route)
    statement = f"{SORTING}; COPY ({select}) TO STDOUT (FORMAT BINARY)"
    with (
        translating_errors("source", route.source_flavour),
        client_encoding(source, encoding),
        client_encoding(target, encoding),
        CopyReader(source, encoded(statement, source), route.source_flavour) as reading,
        _raising_bad_event(route.target_flavour),
        writing_copy(writer, table, columns(route)) as sink,
    ):
        for block in reading.blocks():
            sink.write(block)
            if ids is not None:
                ids.add_block(block)
            sent(reading.received, len(block))
    if reading.count != writer.rowcount:
        raise StatementError(
            f"the source sent {reading.count} events, the target received {writer.rowcount}"
        )
    return writer.rowcount, ids


@contextmanager
def _raising_bad_event(flavour: Flavour) -> Iterator[None]:
    with translating_errors("target", flavour):
        try:
            yield
        except psycopg.Error as error:
            raise bad_event(error) from error


def bad_event(error: psycopg.Error) -> Exception:
    """A BadEventError if an error of the target is about the data of one event, else the error."""
    if not (error.sqlstate or "").startswith(_BAD_DATA):
        return error
    place = _PLACE.search(error.diag.context or "")
    line, column = (int(place[1]), place[2] or "") if place else (0, "")
    return BadEventError(primary(error), line, column)


def encoded(statement: str, connection: Connection) -> bytes:
    """A statement in the connection's encoding. Raises NotReadyError if not representable.

    With SQL_ASCII the server takes the bytes of a table filter unchanged.
    """
    codec = connection.info.encoding
    try:
        return statement.encode("utf-8" if codec == "ascii" else codec)
    except UnicodeEncodeError as error:
        letters = statement[error.start : error.end]
        raise NotReadyError(
            f'source database: its encoding cannot represent "{letters}";'
            " remedy: correct table_filter, event_filter or the expression that contains it"
        ) from None


@contextmanager
def client_encoding(connection: Connection, encoding: str) -> Iterator[None]:
    """Set a client encoding other than the connection's UTF-8 for the duration of a COPY."""
    if encoding == "UTF8":
        yield
        return
    connection.execute(f"set client_encoding to '{encoding}'".encode())
    try:
        yield
    finally:
        # A failed transaction rolls the setting back.
        if connection.info.transaction_status in (
            TransactionStatus.IDLE,
            TransactionStatus.INTRANS,
        ):
            connection.execute(b"set client_encoding to 'UTF8'")
