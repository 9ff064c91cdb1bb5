"""A pidfile that names a process of another user."""

import argparse
import os
import pwd
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from queue_mover.cli import control
from queue_mover.config.settings import ProcessSettings
from queue_mover.errors import OperatorError
from queue_mover.system.pidfile import PidFile, has_ended, require_no_unlocked
from testbed.processes import Process
from testbed.programs import run_as

SETTINGS = ProcessSettings("mover", "", None, 1.0, 0.0, 1.0, (), 0.0, 0.0, 0.0)
STOP = argparse.Namespace(signal=signal.SIGINT, wait=None, quiet=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that every user can write in."""
    if not run_as():
        pytest.skip("only root can become another user")
    with TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def stranger(folder: Path) -> Iterator[Callable[..., object]]:
    """Calls a function in a process of the user that runs the servers."""
    with ProcessPoolExecutor(1, get_context("fork"), initializer=_become_another_user) as process:
        yield lambda function, *arguments: process.submit(function, *arguments).result(60)


def _become_another_user() -> None:
    entry = pwd.getpwnam(run_as()["user"])
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def test_a_process_of_another_user_is_neither_signalled_nor_taken_for_gone(
    folder: Path, stranger: Callable[..., object]
) -> None:
    # given a running Python program, named in a pidfile that it does not lock
    with Process([sys.executable, "-c", "import time; time.sleep(60)"], folder) as ours:
        path = folder / "mover.pid"
        path.write_text(f"{ours.pid}\n")
        path.chmod(0o666)
        settings = replace(SETTINGS, pidfile=path)
        # when another user stops it, then the message names the remedy, and it runs on
        with pytest.raises(OperatorError) as refused:
            stranger(control.send_signal, settings, STOP)
        assert str(refused.value) == (
            f"not permitted to signal process {ours.pid}; remedy: run as the user that started it"
        )
        assert ours.running
        assert not stranger(has_ended, path, ours.pid)
        # and neither a start nor a change of a position passes over it
        with pytest.raises(OperatorError, match=rf"process {ours.pid} \(.*without locking it"):
            stranger(_lock, path)
        with pytest.raises(OperatorError, match=rf"process {ours.pid} \(.*takes no locks"):
            stranger(require_no_unlocked, path)
        # when the file cannot even be read, then that is not taken for an end either
        path.chmod(0o600)
        with pytest.raises(OperatorError) as unread:
            stranger(control.send_signal, settings, STOP)
        assert str(unread.value) == (
            f"pidfile: cannot read {path}: Permission denied;"
            " remedy: run as the user that started it"
        )


def test_a_pidfile_in_a_closed_directory_is_one_line(
    folder: Path, stranger: Callable[..., object]
) -> None:
    """Whether it exists cannot be asked there."""
    inner = folder / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    with pytest.raises(OperatorError) as refused:
        stranger(_lock, inner / "mover.pid")
    assert str(refused.value) == (
        f"pidfile: cannot write {inner / 'mover.pid'}: Permission denied;"
        f" remedy: let this user write in {inner}, or set another pidfile"
    )
    settings = replace(SETTINGS, pidfile=inner / "mover.pid")
    with pytest.raises(OperatorError, match=r"cannot read .*: Permission denied; remedy: run as"):
        stranger(control.send_signal, settings, STOP)


def _lock(path: Path) -> None:
    PidFile(path).lock()
