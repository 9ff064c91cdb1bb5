"""Copy a batch into the target queues that its events name, one COPY for each, in one transaction.

The name is the first field of each row, the only one that is read. Rows pass unchanged; they are
collected by name and written when they exceed a bound, which is all that memory holds, apart from
one large event.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Sequence

import psycopg

from queue_mover.copying.copy import COLUMNS, SORTING, bad_event, client_encoding, encoded
from queue_mover.copying.copy_reader import BLOCK, HEADER, TRAILER, CopyReader
from queue_mover.copying.copy_writer import writing_copy
from queue_mover.copying.insert import SELECT_COLUMNS, Row, insert_rows, rows_in_chunks
from queue_mover.copying.quarantine import copy_rows
from queue_mover.copying.split_names import SplitNames
from queue_mover.errors import BadEventError, StatementError, UnknownQueueError
from queue_mover.model import Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

BOUND = 4 * 2**20
"""Bytes collected before they are written: fewer would mean more COPYs of fewer rows."""

LARGE = 2**20
"""Bytes of a row that is written at once, not collected."""

Sent = Callable[[int, int], None]


def columns(field: str) -> str:
    """COLUMNS, with the one that names the queue first."""
    return ", ".join([field, *(each for each in COLUMNS.split(", ") if each != field)])


def split_events(
    source: Connection,
    select: str,
    names: SplitNames,
    encoding: str,
    route: Route,
    sent: Sent = lambda *_: None,
) -> int:
    """Copy the rows of a SELECT of `columns` into the event tables of the queues that they name.
    Returns the events written. `sent` is called for each COPY: events so far, bytes in it.

    Raises BadEventError when an event names no queue or the target rejects it, NotReadyError when
    a queue cannot be written to, StatementError when the two counts differ.
    """
    target = names.connection
    statement = f"{SORTING}; COPY ({select}) TO STDOUT (FORMAT BINARY)"
    with (
        translating_errors("source", route.source_flavour),
        client_encoding(source, encoding),
        client_encoding(target, encoding),
        CopyReader(source, encoded(statement, source), route.source_flavour) as reading,
    ):
        writer = _Writer(names, route, sent)
        _collect(reading.rows(), writer)
    if reading.count != writer.written:
        raise StatementError(
            f"the source sent {reading.count} events, the target received {writer.written}"
        )
    return writer.written


Collected = dict[bytes, list[bytearray]]
"""Rows by the name of their queue, in blocks."""


def _collect(rows: Iterable[memoryview], writer: "_Writer") -> None:
    """Collect rows by the name in their first field, and write them."""
    length = struct.Struct("!i").unpack_from
    collected: Collected = {}
    blocks: dict[bytes, bytearray] = {}
    size = 0
    for view in rows:
        if len(view) > LARGE:
            name = bytes(view[6 : 6 + length(view, 2)[0]])
            # Only its queue is written, and in order: what was collected for it comes first.
            writer.write({name: collected.pop(name, [])}, view)
            blocks.pop(name, None)
            continue
        # Bytes: to slice a view takes longer than this copy. The length of a NULL is -1; it names
        # as little as an empty text.
        row = view.tobytes()
        name = row[6 : 6 + length(row, 2)[0]]
        block = blocks.get(name)
        if block is None:
            block = blocks[name] = bytearray()
            collected.setdefault(name, []).append(block)
        block += row
        size += len(row)
        if len(block) >= BLOCK:
            # One buffer of all of them would be moved whenever it grows.
            del blocks[name]
        if size > BOUND:
            writer.write(collected)
            collected, blocks, size = {}, {}, 0
    writer.write(collected)


class _Writer:
    """Writes collected rows to the target, and counts them."""

    def __init__(self, names: SplitNames, route: Route, sent: Sent) -> None:
        self._names = names
        self._columns = columns(names.column)
        self._flavour = route.target_flavour
        self._sent = sent
        self._cursor = names.connection.cursor()
        self._written: dict[bytes, int] = {}
        self.written = 0

    def write(self, collected: Collected, large: memoryview | None = None) -> None:
        """Write rows, and after them a large one of the same queue."""
        self._names.find(collected)
        for name, blocks in collected.items():
            before = self._written.get(name, 0)
            if reason := self._names.refusal(name):
                raise UnknownQueueError(reason, before + 1, self._names.column, name)
            with translating_errors("target", self._flavour):
                try:
                    self._copy(self._names.table(name), blocks, large)
                except psycopg.Error as error:
                    raise of_queue(bad_event(error), name, before) from error
            self._written[name] = before + self._cursor.rowcount
            self.written += self._cursor.rowcount
            self._sent(self.written, sum(map(len, blocks)) + len(large or b""))

    def _copy(self, table: str, blocks: Sequence[bytearray], large: memoryview | None) -> None:
        with writing_copy(self._cursor, table, self._columns) as sink:
            sink.write(HEADER)
            for block in blocks:
                sink.write(block)
            # libpq keeps a copy of each piece until it is sent.
            for start in range(0, len(large or b""), BLOCK):
                sink.write(large[start : start + BLOCK] if large else b"")
            sink.write(TRAILER)


def of_queue(error: Exception, name: bytes, before: int = 0) -> Exception:
    """A BadEventError with the name by which its event was split; other errors unchanged.
    `before`: events of that name in earlier COPYs."""
    if not isinstance(error, BadEventError):
        return error
    line = before + error.line if error.line else 0
    return BadEventError(error.reason, line, error.column, name)


def insert_split_events(
    source: Connection,
    select: str,
    names: SplitNames,
    encoding: str,
    route: Route,
    sent: Sent = lambda *_: None,
) -> int:
    """The same with `pgq.insert_event`, from a SELECT of its SELECT_COLUMNS."""
    written = 0
    with rows_in_chunks(source, select, encoding, route.source_flavour) as chunks:
        for chunk in chunks:
            for name, rows in by_name(names, chunk).items():
                if reason := names.refusal(name):
                    # No earlier event has this name.
                    raise UnknownQueueError(reason, 1, names.column, name)
                with translating_errors("target", route.target_flavour):
                    try:
                        insert_rows(names.connection, rows, encoding, names.route_to(name))
                    except psycopg.Error as error:
                        raise of_queue(bad_event(error), name) from error
            written += len(chunk)
            sent(written, 0)
    return written


def by_name(names: SplitNames, rows: Iterable[Row]) -> dict[bytes, list[Row]]:
    """Rows that begin with SELECT_COLUMNS by the queues that they name, which are looked up."""
    index = SELECT_COLUMNS.split(", ").index(names.column)
    found: dict[bytes, list[Row]] = {}
    for row in rows:
        found.setdefault(row[index] or b"", []).append(row)
    names.find(found)
    return found


def write_split_rows(
    names: SplitNames, rows: Collection[Row], encoding: str, *, insert: bool
) -> None:
    """Write a few events of `quarantine.SELECT_COLUMNS`. Raises driver errors."""
    for name, group in by_name(names, rows).items():
        if insert:
            insert_rows(names.connection, group, encoding, names.route_to(name))
        else:
            copy_rows(names.connection, group, names.table(name), encoding, names.route_to(name))


def refused_rows(names: SplitNames, rows: Sequence[Row]) -> tuple[list[Row], list[tuple[Row, str]]]:
    """The events whose names are those of queues, in order, and the others with the reason."""
    reasons = {name: names.refusal(name) for name in by_name(names, rows)}
    index = SELECT_COLUMNS.split(", ").index(names.column)
    judged = [(row, reasons[row[index] or b""]) for row in rows]
    return [row for row, reason in judged if not reason], [each for each in judged if each[1]]
