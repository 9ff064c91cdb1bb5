"""The bytes of a batch, from one COPY straight into the other.

Both sides speak COPY's binary format, so no value is parsed, no row becomes a Python
object, and every field arrives exactly as it left. Memory holds one block, or the one
event that is larger.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.pq import TransactionStatus

from queue_mover.copying.copy_reader import CopyReader
from queue_mover.errors import BadEventError, NotReadyError, StatementError
from queue_mover.model import Flavour, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import one_line, translating_errors

COLUMNS = "ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4, ev_time"
"""What travels; the target's sequence and transaction give the id and the txid."""

UNSPOKEN = ("EUC_TW", "MULE_INTERNAL")
"""Encodings that Python has no codec for."""

_SORTING = (
    "select set_config('work_mem', '32MB', true),"
    " set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true)"
)
"""For the source's COPY alone. Its rows come nearly sorted: more memory, more processes or
compiled code make that sort no faster, and leave less to others."""

_PLACE = re.compile(r"line (\d+)(?:, column (\w+))?")
_BAD_DATA = ("22", "23")
"""SQLSTATE classes that blame the data: this event would fail again."""


def common_encoding(source: str, target: str) -> str:
    """The client encoding to use on both sides, from the two server encodings.

    The source's own, so that the bytes leave as they are stored and only the target
    converts: it is the one that can refuse, and it says which event. Between two
    encodings that PostgreSQL may not convert directly, or that the driver cannot speak: UTF-8.
    """
    direct = source == target or "UTF8" in (source, target) or "SQL_ASCII" in (source, target)
    if source in UNSPOKEN and source == target:
        # Told nothing, neither server converts, and the target still checks.
        return "SQL_ASCII"
    return source if direct and source not in UNSPOKEN else "UTF8"


def copy_events(
    source: Connection,
    select: str,
    target: Connection,
    table: str,
    encoding: str,
    route: Route,
    sent: Callable[[int], None] = lambda _: None,
) -> int:
    """Copy the rows of a SELECT of COLUMNS into an event table. Returns the events written.
    `sent` is called with the size of each block that has been handed on, in bytes.

    Raises BadEventError when the target refuses one of them, StatementError when it
    counts other than the source.
    """
    writer = target.cursor()
    statement = f"{_SORTING}; COPY ({select}) TO STDOUT (FORMAT BINARY)"
    with (
        translating_errors("source", route.source_flavour),
        client_encoding(source, encoding),
        client_encoding(target, encoding),
        CopyReader(source, encoded(statement, source), route.source_flavour) as reading,
        _blaming_events(route.target_flavour),
        writer.copy(f"COPY {table} ({COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()) as sink,
    ):
        for block in reading.blocks():
            sink.write(block)
            sent(len(block))
    if reading.count != writer.rowcount:
        raise StatementError(
            f"the source sent {reading.count} events, the target counts {writer.rowcount}"
        )
    return writer.rowcount


@contextmanager
def _blaming_events(flavour: Flavour) -> Iterator[None]:
    with translating_errors("target", flavour):
        try:
            yield
        except psycopg.Error as error:
            raise bad_event(error) from error


def bad_event(error: psycopg.Error) -> Exception:
    """A BadEventError where a target's error is about the data of one event, else the error."""
    if not (error.sqlstate or "").startswith(_BAD_DATA):
        return error
    place = _PLACE.search(error.diag.context or "")
    line, column = (int(place[1]), place[2] or "") if place else (0, "")
    return BadEventError(one_line(error.diag.message_primary or str(error)), line, column)


def encoded(statement: str, connection: Connection) -> bytes:
    """A statement as a connection sends it. Raises NotReadyError when that cannot be.

    A server told "SQL_ASCII" takes the bytes of a table filter as they are.
    """
    codec = connection.info.encoding
    try:
        return statement.encode("utf-8" if codec == "ascii" else codec)
    except UnicodeEncodeError as error:
        letters = statement[error.start : error.end]
        raise NotReadyError(
            f'source database: its encoding has no "{letters}";'
            " remedy: name only tables in table_filter that it can have"
        ) from None


@contextmanager
def client_encoding(connection: Connection, encoding: str) -> Iterator[None]:
    """Speak another encoding than the connection's UTF-8 for the length of a COPY."""
    if encoding == "UTF8":
        yield
        return
    connection.execute(f"set client_encoding to '{encoding}'".encode())
    try:
        yield
    finally:
        # A transaction that failed takes the setting with it.
        if connection.info.transaction_status in (
            TransactionStatus.IDLE,
            TransactionStatus.INTRANS,
        ):
            connection.execute(b"set client_encoding to 'UTF8'")
