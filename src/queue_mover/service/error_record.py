"""The last error of each mover, kept on its target for the status."""

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import LiteralString

from psycopg import conninfo

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.postgres.database import Database
from queue_mover.postgres.statements import has_function, run_in_one_message
from queue_mover.postgres.translation import one_line
from queue_mover.system.signals import start_thread

REFRESH = 30.0
"""Seconds between two records that a mover still fails in the same way."""

RETRY = 5.0
"""Seconds until a target that could not be reached is tried again."""

LONGEST = 1000
"""Characters of a message that are kept."""

APPLICATION = "queue_mover3 errors"
"""The application_name of its session: not the job's, which would make it look like a mover."""

FUNCTION = "queue_mover.record_error(text, text, text, integer, interval, interval)"
_RECORD: tuple[LiteralString, ...] = (
    "begin",
    "select set_config('statement_timeout', '2s', true)",
    "select queue_mover.record_error(%(consumer)s, %(message)s, %(host)s, %(pid)s,"
    " %(began)s * interval '1 second', %(recovered)s * interval '1 second')",
    "commit",
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Note:
    """What is known of a consumer's error; times are of the monotonic clock."""

    message: str
    began: float
    recovered: float | None = None
    written: float = float("-inf")
    waits: bool = True
    """Whether it is yet to be written."""


class ErrorRecord:
    """The errors of a process's movers. Thread-safe, and no thread waits for it.

    A thread writes them, and ends when nothing is left to write. What cannot be written because
    the target is down is written when its movers have recovered; what is refused for lack of a
    privilege is dropped.
    """

    def __init__(self) -> None:
        self._notes: dict[str, dict[str, _Note]] = {}
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._again: dict[str, float] = {}

    def failed(self, mover: MoverSettings, error: BaseException) -> None:
        """Note that a mover has failed; cheap if that is known already."""
        now, message = time.monotonic(), one_line(str(error) or type(error).__name__)[:LONGEST]
        with self._lock:
            notes = self._notes.setdefault(mover.dst_db, {})
            note = notes.get(mover.route.consumer)
            if note is None or note.message != message or note.recovered is not None:
                notes[mover.route.consumer] = _Note(message, now)
            elif now - note.written < REFRESH:
                return
            else:
                note.waits = True
            self._wake()

    def recovered(self, mover: MoverSettings) -> None:
        """Note that a mover works again."""
        with self._lock:
            note = self._notes.get(mover.dst_db, {}).get(mover.route.consumer)
            if note is None or note.recovered is not None:
                return
            note.recovered, note.waits = time.monotonic(), True
            # A mover that works again has reached the target.
            self._again.pop(mover.dst_db, None)
            self._wake()

    def settle(self, timeout: float) -> None:
        """Wait until all is written that can be, `timeout` seconds at most."""
        self._idle.wait(timeout)

    def _wake(self) -> None:
        if not self._idle.is_set():
            return
        self._idle.clear()
        try:
            start_thread(threading.Thread(target=self._run, name="errors", daemon=True))
        except OperatorError as error:
            self._idle.set()
            _log.debug("last errors not recorded: %s", error)

    def _run(self) -> None:
        while waiting := self._take():
            for text, notes in waiting.items():
                self._write(text, notes)

    def _take(self) -> dict[str, dict[str, _Note]]:
        """What to write now; if nothing, the thread ends."""
        now = time.monotonic()
        with self._lock:
            found = {
                text: {consumer: note for consumer, note in notes.items() if note.waits}
                for text, notes in self._notes.items()
                if self._again.get(text, now) <= now
            }
            found = {text: notes for text, notes in found.items() if notes}
            for notes in found.values():
                for note in notes.values():
                    note.waits = False
            if not found:
                self._idle.set()
            return found

    def _write(self, text: str, notes: dict[str, _Note]) -> None:
        given = {"connect_timeout": "3", **conninfo.conninfo_to_dict(text)}
        where = conninfo.make_conninfo("", **{**given, "application_name": APPLICATION})
        database = Database("target", where, APPLICATION)
        try:
            with database.session() as connection:
                if has_function(connection, FUNCTION):
                    for consumer, note in notes.items():
                        run_in_one_message(connection, _RECORD, _values(consumer, note))
        except UnavailableError as error:
            _log.debug("last errors not recorded yet: %s", error)
            self._postpone(text, notes)
            return
        except Exception as error:  # Such as a missing privilege: no mover may be affected.
            _log.debug("last errors not recorded: %s", error)
        finally:
            database.close()
        self._forget_recovered(text, notes)

    def _postpone(self, text: str, notes: dict[str, _Note]) -> None:
        with self._lock:
            self._again[text] = time.monotonic() + RETRY
            for note in notes.values():
                note.waits = True

    def _forget_recovered(self, text: str, notes: dict[str, _Note]) -> None:
        known = self._notes[text]
        with self._lock:
            for consumer, note in notes.items():
                note.written = time.monotonic()
                # Unless it has recovered, or failed again, while it was written.
                if note.recovered is not None and not note.waits and known.get(consumer) is note:
                    del known[consumer]


def _values(consumer: str, note: _Note) -> dict[str, object]:
    now = time.monotonic()
    return {
        "consumer": consumer,
        "message": note.message,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "began": now - note.began,
        "recovered": None if note.recovered is None else now - note.recovered,
    }
