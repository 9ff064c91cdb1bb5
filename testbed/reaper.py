"""No process or directory outlives this process, however it dies.

Cleaning up at exit does not survive SIGKILL. So a small helper process holds the other end of a
pipe; once the pipe closes, because we closed it or because we died, it ends the registered
processes and removes the registered directories. It runs as a script, standard library only.
"""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Long enough for PostgreSQL's immediate shutdown, which gives its children 5 seconds.
GRACE_SECONDS = 8.0


class Reaper:
    """Our end of the pipe; the helper starts with the first registration."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None

    def _write(self, line: str) -> None:
        with self._lock:
            if self._helper is None:
                self._helper = subprocess.Popen(
                    [sys.executable, "-S", __file__],
                    stdin=subprocess.PIPE,
                    start_new_session=True,
                    cwd="/",
                )
                atexit.register(self.close)
            assert self._helper.stdin is not None
            self._helper.stdin.write(line.encode() + b"\n")
            self._helper.stdin.flush()

    def watch_process(self, pid: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End this process, with this signal, when we exit."""
        self._write(f"process {pid} {int(with_signal)}")

    def forget_process(self, pid: int) -> None:
        """The process has ended, or is to keep running."""
        self._write(f"forget-process {pid}")

    def watch_directory(self, path: Path) -> None:
        """Remove this directory when we exit."""
        self._write(f"directory {path}")

    def forget_directory(self, path: Path) -> None:
        """The directory is gone, or is to stay."""
        self._write(f"forget-directory {path}")

    def close(self) -> None:
        """Clean up everything still registered, and wait for it."""
        with self._lock:
            helper, self._helper = self._helper, None
        if helper is not None:
            assert helper.stdin is not None
            helper.stdin.close()
            helper.wait()


REAPER = Reaper()


def private_directory(prefix: str = "qm-", parent: Path | None = None) -> Path:
    """A new directory in the parent, or the system's temporary directory, removed when we exit.

    The name is short: the path of a unix socket is limited to 107 bytes.
    """
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    REAPER.watch_directory(path)
    return path


def remove_directory(path: Path) -> None:
    """Remove a directory from `private_directory` now."""
    shutil.rmtree(path, ignore_errors=True)
    REAPER.forget_directory(path)


def _alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie (procfs cannot be imported here)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _send(pid: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


def _end(processes: dict[int, int]) -> None:
    for pid, signum in processes.items():
        _send(pid, signum)
        # If frozen, it gets the signal only once it resumes.
        _send(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in filter(_alive, processes):
        _send(pid, signal.SIGKILL)


def main() -> None:
    """Read until the pipe closes, then clean up."""
    processes: dict[int, int] = {}
    directories: dict[str, None] = {}
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "process":
            pid, signum = rest.split()
            processes[int(pid)] = int(signum)
        elif word == "forget-process":
            processes.pop(int(rest), None)
        elif word == "directory":
            directories[rest] = None
        elif word == "forget-directory":
            directories.pop(rest, None)
    _end(processes)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
