"""Read small batches whole, and write several of them by one COPY.

The rows of a binary COPY can be joined: only its header and its trailer occur once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from queue_mover.copying.copy import COLUMNS, SORTING, encoded
from queue_mover.copying.copy_reader import HEADER, TRAILER, CopyReader
from queue_mover.copying.copy_writer import writing_copy
from queue_mover.errors import StatementError
from queue_mover.model import Flavour
from queue_mover.postgres.connection import Connection

ENCODING = "UTF8"
"""Client encoding of the batches that can be written together, which every connection has."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The events of a batch, as rows of a binary COPY of COLUMNS."""

    data: bytearray
    count: int


def read_rows(
    source: Connection, select: str, flavour: Flavour, has_room: Callable[[int], bool]
) -> Rows | None:
    """Read the rows of a SELECT of COLUMNS as far as there is room; None: too large.

    `has_room` is called for more room, in bytes. Raises errors of the source, translated.
    """
    statement = f"{SORTING}; COPY ({select}) TO STDOUT (FORMAT BINARY)"
    with CopyReader(source, encoded(statement, source), flavour) as reading:
        data = reading.whole(has_room)
        if data is None:
            return None
        return Rows(data, reading.count)


def copy_rows(target: Connection, table: str, batches: Sequence[Rows]) -> None:
    """Copy the rows of several batches into one event table, in order.

    Raises driver errors; StatementError when the target received another number of events.
    """
    writer = target.cursor()
    with writing_copy(writer, table, COLUMNS) as sink:
        sink.write(b"".join([HEADER, *(rows.data for rows in batches), TRAILER]))
    count = sum(rows.count for rows in batches)
    if writer.rowcount != count:
        raise StatementError(
            f"the sources sent {count} events, the target received {writer.rowcount}"
        )
