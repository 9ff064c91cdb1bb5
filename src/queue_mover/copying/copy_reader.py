"""Read COPY TO STDOUT below the driver's cursors, at half the CPU time per row."""

import select
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from queue_mover.errors import UnavailableError
from queue_mover.model import Flavour
from queue_mover.postgres.connection import Connection, waiting
from queue_mover.postgres.translation import translating_errors

BLOCK = 64 * 1024
"""Bytes collected before they are passed on: writing row by row takes twice the CPU time."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""How a binary COPY begins: its signature, no flags, no extension."""
TRAILER = b"\xff\xff"
"""How it ends: in place of a row's number of fields."""
STEP = 8 * 1024
"""Bytes by which `whole` takes room."""

SILENCE_TIMEOUT = 300.0
"""Seconds without data after which the source counts as unavailable. A frozen one keeps its
connection, and the batch would hold the target's lock and one of its connections."""


class CopyReader:
    """The rows of a COPY, the last of a few statements, sent on construction: the source works
    while the target prepares. As a context manager it leaves the connection usable."""

    def __init__(self, connection: Connection, statement: bytes, flavour: Flavour) -> None:
        self._connection = connection
        self._wire = connection.pgconn
        self._codec = connection.info.encoding
        self._flavour = flavour
        self._timed_out = False
        self.count = -1
        """Rows; known at the end."""
        self.received = 0
        """Rows so far; updated with each block, since an attribute costs more than a variable."""
        self._wire.send_query(statement)
        while self._wire.flush():
            self._wait(select.POLLIN | select.POLLOUT)

    def blocks(self) -> Iterator[bytearray | memoryview]:
        """The bytes, joined into blocks. Errors of the source are translated here."""
        with translating_errors("source", self._flavour):
            self._result(ExecStatus.COPY_OUT)
            pending = bytearray()
            received = 0
            get_copy_data = self._wire.get_copy_data
            while (row := get_copy_data(1))[0] >= 0:
                if not row[0]:
                    self._receive(SILENCE_TIMEOUT)
                    continue
                received += 1
                if row[0] > BLOCK:
                    # Do not copy a large row.
                    self.received = received
                    yield pending
                    yield row[1]
                    pending = bytearray()
                    continue
                pending += row[1]
                if len(pending) >= BLOCK:
                    self.received = received
                    yield pending
                    pending = bytearray()
            self.count = self._result(ExecStatus.COMMAND_OK, SILENCE_TIMEOUT).command_tuples or 0
            self._wire.get_result()
            self.received = self.count
        yield pending

    def rows(self) -> Iterator[memoryview]:
        """The rows of a binary COPY one by one, without its header and trailer. The server sends
        each in a message of its own. Errors of the source are translated here."""
        with translating_errors("source", self._flavour):
            self._result(ExecStatus.COPY_OUT)
            header = len(HEADER)
            get_copy_data = self._wire.get_copy_data
            while (row := get_copy_data(1))[0] >= 0:
                if not row[0]:
                    self._receive(SILENCE_TIMEOUT)
                    continue
                data = row[1]
                if header:
                    # It comes with the first row.
                    data, header = data[header:], 0
                if len(data) > len(TRAILER):
                    yield data
            self.count = self._result(ExecStatus.COMMAND_OK, SILENCE_TIMEOUT).command_tuples or 0
            self._wire.get_result()

    def whole(self, has_room: Callable[[int], bool]) -> bytearray | None:
        """All rows together, as `rows`; None: there is no room, and the COPY is unfinished.
        `has_room` is called before a step of so many bytes more is used."""
        whole, room = bytearray(), 0
        for row in self.rows():
            while len(whole) + len(row) > room:
                if not has_room(STEP):
                    return None
                room += STEP
            whole += row
        return whole

    def _result(self, expected: ExecStatus, timeout: float | None = None) -> PGresult:
        while self._wire.is_busy():
            self._receive(timeout)
        result = self._wire.get_result()
        if result is None:
            raise psycopg.InternalError("the source ended COPY without a result")
        if result.status == ExecStatus.TUPLES_OK:
            return self._result(expected, timeout)
        if result.status != expected:
            raise error_from_result(result, self._codec)
        return result

    def _receive(self, timeout: float | None = None) -> None:
        self._wait(select.POLLIN, timeout)
        self._wire.consume_input()

    def _wait(self, events: int, timeout: float | None = None) -> None:
        """Wait for the socket, with a timeout in seconds; None: for ever."""
        socket = select.poll()
        socket.register(self._wire.socket, events)
        with waiting(self._connection):
            ready = socket.poll(None if timeout is None else timeout * 1000)
        if not ready:
            self._timed_out = True
            place = "source database"
            raise UnavailableError(
                f"{place} not available: silent for {timeout:g} s in mid-batch", place
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._wire.transaction_status == TransactionStatus.ACTIVE and not self._timed_out:
            # The error has been raised already; this is cleanup.
            with suppress(psycopg.Error, UnavailableError):
                self._connection.cancel_safe()
                self._drain()

    def _drain(self) -> None:
        while True:
            while self._wire.is_busy():
                self._receive(SILENCE_TIMEOUT)
            result = self._wire.get_result()
            if result is None:
                return
            while (
                result.status == ExecStatus.COPY_OUT
                and (size := self._wire.get_copy_data(1)[0]) >= 0
            ):
                if not size:
                    self._receive(SILENCE_TIMEOUT)
