"""A COPY TO STDOUT, below the driver's cursors, where a row costs half the processor time."""

import select
from collections.abc import Iterator
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
"""Bytes gathered before they are handed on: to write each row costs twice the processor time."""

SILENCE_TIMEOUT = 300.0
"""Seconds of silence between two rows before a source counts as gone. One that is frozen keeps its
connection; meanwhile the batch would hold a lock on the target, and one of its connections."""


class CopyReader:
    """The rows of a COPY, the last one of a few statements. It is begun when made and awaited when
    read: the source works while the target gets ready. As a context manager it leaves the
    connection usable, whatever happens."""

    def __init__(self, connection: Connection, statement: bytes, flavour: Flavour) -> None:
        self._connection = connection
        self._wire = connection.pgconn
        self._codec = connection.info.encoding
        self._flavour = flavour
        self._timed_out = False
        self.count = -1
        """Rows, known in the end."""
        self._wire.send_query(statement)
        while self._wire.flush():
            self._wait(select.POLLIN | select.POLLOUT)

    def blocks(self) -> Iterator[bytearray | memoryview]:
        """The bytes, joined into blocks. An error of the source is named as such, whoever pulls."""
        with translating_errors("source", self._flavour):
            self._result(ExecStatus.COPY_OUT)
            pending = bytearray()
            get_copy_data = self._wire.get_copy_data
            while (row := get_copy_data(1))[0] >= 0:
                if not row[0]:
                    self._receive(SILENCE_TIMEOUT)
                    continue
                if row[0] > BLOCK:
                    # Large as it is, it need not be there twice.
                    yield pending
                    yield row[1]
                    pending = bytearray()
                    continue
                pending += row[1]
                if len(pending) >= BLOCK:
                    yield pending
                    pending = bytearray()
            self.count = self._result(ExecStatus.COMMAND_OK, SILENCE_TIMEOUT).command_tuples or 0
            self._wire.get_result()
        yield pending

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
        """Wait for the socket, for so many seconds at most; None: for ever."""
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
            # What has failed is told already; this only tidies up behind it.
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
