"""The event IDs of a batch that keeps them, read in passing from the bytes of its COPY."""

import struct
from collections.abc import Sequence

_HEADER = 15
"""Bytes of COPY's binary header before the length of its extension."""
_LENGTH = struct.Struct("!i")
_ID = struct.Struct("!q")
_TRAILER = 2
"""Bytes after the last event."""


class EventIds:
    """The first and the last ID; events come in order of their IDs, with the ID as last field."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._first: int | None = None
        self._last: int | None = None

    def add_block(self, block: bytes | bytearray | memoryview) -> None:
        """Take in the next block of COPY's binary format."""
        if self._first is None:
            self._head += block
            self._first = _first_id(self._head)
            if self._first is not None:
                self._head = b""
        self._tail = (self._tail + bytes(block[-_ID.size - _TRAILER :]))[-_ID.size - _TRAILER :]

    def add_rows(self, rows: Sequence[Sequence[bytes | None]]) -> None:
        """Take in events that were written one by one, whose last field but one is the ID as text,
        as in `quarantine.select_columns`."""
        for row in rows:
            self._last = int(row[-2] or b"")
            self._first = self._last if self._first is None else self._first

    @property
    def first(self) -> int | None:
        """The lowest ID; None: no events."""
        return self._first

    @property
    def last(self) -> int | None:
        """The highest ID, once all blocks are in; None: no events."""
        if self._first is None or self._last is not None:
            return self._last
        found: int = _ID.unpack_from(self._tail)[0]
        return found


def _first_id(data: bytes) -> int | None:
    """The last field of the first row of a COPY in binary format; None: there is none yet."""
    try:
        place = _HEADER + _LENGTH.size + _LENGTH.unpack_from(data, _HEADER)[0]
        (fields,) = struct.unpack_from("!h", data, place)
        place += 2
        for _ in range(fields - 1):
            place += _LENGTH.size + max(0, _LENGTH.unpack_from(data, place)[0])
        found: int = _ID.unpack_from(data, place + _LENGTH.size)[0]
    except struct.error:
        return None
    return found if fields > 0 else None
