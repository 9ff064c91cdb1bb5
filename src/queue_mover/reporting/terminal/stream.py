"""Takes the lines that go to stderr, so that no mover waits for the terminal or the table."""

import io
import logging
import sys
from collections import deque
from contextlib import suppress
from threading import Event
from typing import TextIO

KEPT = 10_000
"""Lines kept for a terminal that is stopped (^S); older ones are dropped."""


class Lines(io.TextIOBase):
    """Stands in for stderr, for the log's console handler too."""

    def __init__(self, *, statistics: bool) -> None:
        """`statistics`: whether statistics lines are wanted; the table shows the same numbers."""
        self.terminal: TextIO = sys.stderr
        self.came = Event()
        self._statistics = statistics
        self._waiting: deque[str] = deque(maxlen=KEPT)
        self._partial = ""
        self._dropped = 0
        self._open = False

    def begin(self) -> None:
        """Take the lines from now on."""
        if not self._open:
            self._open = True
            sys.stderr = self
        self.adopt()

    def adopt(self) -> None:
        """Take the log's console handlers, which a reload replaces."""
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self.terminal:
                handler.setStream(self)
            if isinstance(handler, logging.StreamHandler) and handler.stream is self:
                # Adding the same one twice has no effect.
                handler.addFilter(self._is_wanted)

    def end(self) -> None:
        """Write lines directly again, the waiting ones first."""
        if not self._open:
            return
        self._open = False
        if sys.stderr is self:
            sys.stderr = self.terminal
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self:
                handler.removeFilter(self._is_wanted)
                handler.setStream(self.terminal)
        lines = [*self.take(), *filter(None, [self._partial])]
        self._partial = ""
        with suppress(OSError, ValueError):
            self.terminal.write("".join(f"{line}\n" for line in lines))
            self.terminal.flush()

    def take(self) -> list[str]:
        """The lines that have come since the last call."""
        self.came.clear()
        lines = []
        if self._dropped:
            lines.append(f"... {self._dropped} lines dropped: the terminal was stopped")
            self._dropped = 0
        with suppress(IndexError):
            while True:
                lines.append(self._waiting.popleft())
        return lines

    def write(self, text: str) -> int:
        """Take a text, usually a whole line. Never waits."""
        if not self._open:
            return self.terminal.write(text)
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            self._dropped += len(self._waiting) == KEPT
            self._waiting.append(line)
        if lines:
            self.came.set()
        return len(text)

    def flush(self) -> None:
        """Nothing to do while lines are taken."""
        if not self._open:
            self.terminal.flush()

    def isatty(self) -> bool:
        """As the terminal."""
        return self.terminal.isatty()

    def fileno(self) -> int:
        """As the terminal."""
        return self.terminal.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As the terminal's."""
        return self.terminal.encoding

    def _is_wanted(self, record: logging.LogRecord) -> bool:
        return (
            self._statistics
            or record.levelno != logging.INFO
            or not record.getMessage().startswith("{")
        )
