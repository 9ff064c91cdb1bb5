"""The process named in an unlocked pidfile: Skytools programs do not lock theirs."""

import os
from dataclasses import dataclass
from pathlib import Path

OURS = ("queue_mover", "pgqadm", "python", "pypy")
"""Prefixes of the programs that may have written such a pidfile."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A running process."""

    pid: int
    command: str
    """The start of its command line; "" if unknown."""
    may_be_mover: bool
    """Whether it may have written the pidfile; False: it is certainly another program."""


def owner(text: str) -> Owner | None:
    """The process named in a pidfile's text; None when it is not running, or this one."""
    if not text.isdigit() or int(text) in (0, os.getpid()) or not _is_alive(int(text)):
        return None
    pid = int(text)
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return Owner(pid, "", may_be_mover=True)
    names = [Path(os.fsdecode(word)).name for word in words[:2]]
    # Arguments may hold a password: the program and its script are enough.
    return Owner(pid, " ".join(filter(None, names)), any(name.startswith(OURS) for name in names))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # Another user's process, or a system without /proc.
        return True
