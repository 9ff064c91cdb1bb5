"""A terminal that a command runs in: a pseudo-terminal, and a program that reads it."""

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from testbed.reaper import REAPER

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours, movements of the cursor, and the like."""


class Terminal:
    """Runs a command as the leader of a terminal; keeps all that it has written there."""

    def __init__(
        self,
        command: Sequence[str | Path],
        directory: Path,
        *,
        environment: Mapping[str, str],
        width: int = 120,
        height: int = 30,
    ) -> None:
        words = [str(word) for word in command]
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "COLUMNS")}
        env.update({"TERM": "xterm-256color", **environment})
        self._descriptor, theirs = pty.openpty()
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)
        # Not by a fork: this process may have threads. The leader of a session that opens a
        # terminal gets it as its own.
        self.pid = os.posix_spawnp(
            "env",
            ["env", f"--chdir={directory}", *words],
            env,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.ttyname(theirs), os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
        )
        os.close(theirs)
        REAPER.watch_process(self.pid)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.written = ""
        """As it came, codes included."""
        self.code: int | None = None

    @property
    def text(self) -> str:
        """All that was written so far, without codes; what overwrites a line is a line, too."""
        self._read(0)
        plain = _CODES.sub("", self.written)
        # Without a line feed: back to the start of the line, to write over it.
        return plain.replace("\r\n", "\n").replace("\r", "\n")

    def wait_for(self, true: Callable[[str], object], patience: float, what: str) -> str:
        """Read until a condition of the text holds; the text."""
        deadline = time.monotonic() + patience
        while not true(self.text):
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {patience:g} s for {what}; it shows:\n{self.text}")
            self._read(0.1)
        return self.text

    def press(self, keys: bytes) -> None:
        """Enter some keys, such as ^C."""
        os.write(self._descriptor, keys)

    def wait(self, patience: float) -> int:
        """Read until the command has ended; its exit code, or -N where signal N ended it."""
        deadline = time.monotonic() + patience
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise TimeoutError(f"it has not ended; the terminal has:\n{self.text}")
            self._read(0.05)
        return self.code

    def _read(self, timeout: float) -> None:
        # At the end of the command, reading fails.
        with contextlib.suppress(OSError):
            while select.select([self._descriptor], [], [], timeout)[0]:
                block = os.read(self._descriptor, 65536)
                if not block:
                    return
                self.written += self._decoder.decode(block)
                timeout = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._descriptor)
