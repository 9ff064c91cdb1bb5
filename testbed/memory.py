"""Where the files of a throwaway cluster are: in memory, if there is plenty.

A test makes and drops databases, of some 300 files each: in memory that takes a tenth of the
processor's time.
"""

import os
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
MEMINFO = Path("/proc/meminfo")
NEEDED = 8 * 2**30
"""Bytes. The clusters of the whole suite take less than half of it."""


def memory_directory(directory: Path = SHARED_MEMORY, needed: int = NEEDED) -> Path | None:
    """This directory, if it has as many bytes of memory; otherwise None."""
    return directory if min(_room(directory), _available()) >= needed else None


def _room(directory: Path) -> int:
    try:
        found = os.statvfs(directory)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _available() -> int:
    """Bytes of memory that programs can still have."""
    fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024
