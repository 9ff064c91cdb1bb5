"""What a mover needs on its machine: open files, writable directories, disk space."""

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from queue_mover.config.settings import Settings
from queue_mover.system.files import is_visible
from queue_mover.system.limits import allow_files, needed_files
from queue_mover.system.pidfile import running_pid


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file that a mover will write."""

    key: str
    """Its key in the config: pidfile or logfile."""
    path: Path
    refusal: str
    """Why it cannot be written, in a few words; empty: it can."""
    number: int
    """The errno of that; 0: none."""
    exists: bool
    free: int | None
    """Bytes free for this user on its file system; None: no such directory."""
    needed: int
    """The most bytes that it may take."""


@dataclass(frozen=True, slots=True)
class Host:
    """This machine, as far as a mover's config concerns it."""

    allowed_files: float
    needed_files: int
    sources: int
    files: tuple[OwnFile, ...]
    pid: int | None
    """Of the process that holds the pidfile; None: it does not run."""


PID_BYTES = 4096
"""Bytes that a pidfile takes: one block."""


def read_host(settings: Settings) -> Host:
    """Read what concerns a mover. Creates no file, not even a temporary one."""
    pidfile, log = settings.process.pidfile, settings.log
    wanted = (
        ("pidfile", pidfile, PID_BYTES),
        ("logfile", log.logfile, log.log_size * (log.log_count + 1)),
    )
    return Host(
        allowed_files=allow_files(),
        needed_files=needed_files(len(settings.movers), settings.dst_connections),
        sources=len(settings.movers),
        files=tuple(_own_file(key, path, needed) for key, path, needed in wanted if path),
        pid=running_pid(pidfile) if pidfile else None,
    )


def _own_file(key: str, path: Path, needed: int) -> OwnFile:
    path = path.absolute()
    folder = path.parent
    number, refusal = _refusal(path, is_pidfile=key == "pidfile")
    return OwnFile(
        key,
        path,
        refusal,
        number,
        is_visible(path),
        shutil.disk_usage(folder).free if is_visible(folder) and folder.is_dir() else None,
        needed,
    )


def _refusal(path: Path, *, is_pidfile: bool) -> tuple[int, str]:
    """The errno of writing to it, and why in a few words; 0 and empty: it can be written."""
    folder = path.parent
    writable = os.access(folder, os.W_OK | os.X_OK)
    locked_out = (errno.EACCES, "its directory is not writable by this user")
    try:
        # The log is rotated, the pidfile removed: both write to their directory.
        reasons = {
            (errno.ENOENT, "no such directory"): not folder.exists(),
            (errno.ENOTDIR, "not a directory"): not folder.is_dir(),
            (errno.EISDIR, "a directory"): path.is_dir(),
            (errno.ELOOP, "a symbolic link"): is_pidfile and path.is_symlink(),
            (errno.EACCES, "not writable by this user"): path.exists()
            and not os.access(path, os.W_OK),
            locked_out: not writable,
        }
    except PermissionError:
        return locked_out
    return next((reason for reason, holds in reasons.items() if holds), (0, ""))
