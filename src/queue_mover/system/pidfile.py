"""A pidfile whose lock proves that its process is running."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from queue_mover.errors import OperatorError
from queue_mover.system.files import is_visible, write_remedy
from queue_mover.system.process_owner import owner


class PidFile:
    """A pidfile, locked as long as its process runs.

    The lock survives a fork: it is taken in the foreground, where an error is seen, and
    belongs to the daemon afterwards.
    """

    def __init__(self, path: Path) -> None:
        # Absolute: it is removed at the end, when the working directory may be gone.
        self._path = path.absolute()
        self._descriptor = -1

    def lock(self) -> str:
        """Take the lock. Returns a warning about a stale pidfile, else "".

        Raises OperatorError when another process holds it, or is named in it and runs without
        locking it, or when the file cannot be created.
        """
        while True:
            self._descriptor = self._open()
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = _content(self._descriptor)
                os.close(self._descriptor)
                raise OperatorError(
                    f"{self._path}: another process is running, pid {pid};"
                    " remedy: stop it with -s, or use another pidfile"
                ) from None
            # Its previous owner may have removed the file between our open and our lock.
            if _same_file(self._descriptor, self._path):
                return self._check_owner(_content(self._descriptor))
            os.close(self._descriptor)

    def _check_owner(self, text: str) -> str:
        found = owner(text)
        if found is None:
            return f"Ignoring stale pidfile: process {text} is gone" if text else ""
        if not found.may_be_mover:
            return f"Ignoring stale pidfile: process {text} is another program, {found.command}"
        os.close(self._descriptor)
        raise OperatorError(
            f"{self._path}: process {text} ({found.command or 'command unknown'}) is running"
            " without locking it, as Skytools programs do; remedy: stop it with -s, or remove"
            " the file if it is something else"
        )

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(self._path, flags, 0o644)
        except OSError as error:
            reason = "a symbolic link" if error.errno == errno.ELOOP else error.strerror
            remedy = write_remedy(
                "pidfile", self._path, error.errno or 0, exists=is_visible(self._path)
            )
            raise OperatorError(
                f"pidfile: cannot write {self._path}: {reason}; remedy: {remedy}"
            ) from None

    def write(self) -> None:
        """Write the pid of this process. Raises OperatorError."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise OperatorError(
                f"pidfile: cannot write {self._path}: {error.strerror}; remedy: free disk space"
            ) from None

    def remove(self) -> None:
        """Remove the file, unless it belongs to another process by now, and release the lock."""
        with suppress(OSError):
            if _same_file(self._descriptor, self._path):
                self._path.unlink()
        os.close(self._descriptor)


def running_pid(path: Path) -> int | None:
    """The pid of the process that holds a pidfile's lock, or is named in it and takes no lock.

    None when there is none.
    """
    text, locked = _read(path)
    if locked:
        return int(text) if text.isdigit() else None
    found = owner(text)
    return found.pid if found and found.may_be_mover else None


def require_readable(path: Path) -> None:
    """Raise OperatorError when a pidfile exists, but who is in it cannot be known."""
    try:
        path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        remedy = "run as the user that started it"
        if not isinstance(error, PermissionError):
            remedy = "correct pidfile in the config file"
        raise OperatorError(
            f"pidfile: cannot read {path}: {error.strerror}; remedy: {remedy}"
        ) from None


def has_ended(path: Path, pid: int) -> bool:
    """Whether a process that `running_pid` returned holds the pidfile no longer, and is gone."""
    return running_pid(path) != pid and owner(str(pid)) is None


def require_no_unlocked(path: Path) -> None:
    """Raise OperatorError when a pidfile names a running program that takes no locks.

    One that locks its pidfile takes the locks in the databases, too.
    """
    text, locked = _read(path)
    found = None if locked else owner(text)
    if found and found.may_be_mover:
        raise OperatorError(
            f"{path.absolute()}: process {found.pid} ({found.command or 'command unknown'})"
            " is running and takes no locks, so no position may be changed meanwhile;"
            " remedy: stop it with -s"
        )


def _read(path: Path) -> tuple[str, bool]:
    """The text of a pidfile, and whether its lock is held; "" when it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return "", False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        locked = False
    except BlockingIOError:
        locked = True
    try:
        return _content(descriptor), locked
    except IsADirectoryError:
        return "", False
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> str:
    return os.pread(descriptor, 64, 0).decode(errors="replace").strip()


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
