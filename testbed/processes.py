"""Run commands and daemons, and wait for conditions."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from testbed.choice import VARIABLES
from testbed.ini import write_sections
from testbed.procfs import process_alive, process_state
from testbed.programs import RunAs
from testbed.reaper import REAPER

T = TypeVar("T")
Argument = str | Path


def wait_until(predicate: Callable[[], T], timeout: float, what: str, interval: float = 0.02) -> T:
    """Poll the predicate until it is true; returns its value.

    timeout, interval: seconds. The TimeoutError names what was awaited, and the last value.
    """
    deadline = time.monotonic() + timeout
    while not (result := predicate()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}; the last value was {result!r}")
        time.sleep(interval)
    return result


def free_port() -> int:
    """A TCP port on 127.0.0.1 that is free now, below the ephemeral range.

    Within that range, a client that keeps reconnecting while the server is down could get the
    server's port as its own, and connect to itself.
    """
    for _ in range(1000):
        port = random.randint(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port on 127.0.0.1")


def script(name: str) -> str:
    """The path of a console script (queue_mover3, pgqadm.py, …) of the running interpreter."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise FileNotFoundError(f"{path} not found; is the project installed in this venv?")
    return str(path)


def write_ini(path: Path, section: str, settings: Mapping[str, object]) -> Path:
    """Write a config file with one section; returns the path."""
    return write_sections(path, {section: settings})


LAST_SAVING = 1.0 if "COVERAGE_PROCESS_START" in os.environ else 0.0
"""Seconds until a process that is measured has saved what it ran (scripts/measure_process.py)."""

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def _clean_signals(argv: tuple[str, ...], ignoring: Sequence[signal.Signals]) -> tuple[str, ...]:
    """The command, started with exactly these signals ignored.

    A shell's `&` and nohup make their children ignore some. We use env(1) rather than code between
    fork and exec, where a thread of ours might hold a lock.
    """
    inherited = [n for n in HANDLED if signal.getsignal(n) is signal.SIG_IGN and n not in ignoring]
    words = [f"--default-signal={number.name[3:]}" for number in inherited]
    words += [f"--ignore-signal={number.name[3:]}" for number in ignoring]
    return ("env", *words, *argv) if words else argv


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Ours, with additions, without libpq's variables: they would redirect connections.

    On SIGABRT a Python program then prints its threads' tracebacks, see `Process.dump`.
    """
    libpq = {key for key in os.environ if key.startswith("PG")} - {*VARIABLES}
    ours = {key: value for key, value in os.environ.items() if key not in libpq}
    return {**ours, "PYTHONFAULTHANDLER": "1", **(extra or {})}


@dataclass(frozen=True)
class Result:
    """How a command ended; the returncode is -N if signal N ended it."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    def check(self) -> Self:
        """Raise AssertionError with all output unless the returncode is 0; returns itself."""
        assert self.returncode == 0, f"failed: {self}"
        return self


def run(
    argv: Sequence[Argument],
    *,
    timeout: float = 60.0,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Result:
    """Run a command and wait; env adds to the environment. The timeout is in seconds."""
    words = tuple(str(word) for word in argv)
    done = subprocess.run(
        _clean_signals(words, ()),
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        cwd=cwd,
        env=_environment(env),
        check=False,
    )
    return Result(words, done.returncode, done.stdout, done.stderr)


class Process:
    """A background process with its output in files; as a context manager, killed on exit.

    The files are `<name>.out` and `<name>.err` in the directory; another process of the same name
    appends. No process outlives us (see reaper).
    """

    def __init__(
        self,
        argv: Sequence[Argument],
        directory: Path,
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        run_as: RunAs | None = None,
        ignoring: Sequence[signal.Signals] = (),
    ) -> None:
        """`ignoring`: signals that the process ignores from the start."""
        self.argv = tuple(str(word) for word in argv)
        self.name = name or Path(self.argv[0]).name
        self._out = directory / f"{self.name}.out"
        self._err = directory / f"{self.name}.err"
        with self._out.open("ab") as out, self._err.open("ab") as err:
            self._popen = subprocess.Popen(
                _clean_signals(self.argv, ignoring),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env=_environment(env),
                start_new_session=True,
                **(run_as or {}),
            )
        REAPER.watch_process(self.pid)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; -N if signal N ended it."""
        return self._popen.poll()

    @property
    def running(self) -> bool:
        """Whether it is alive (it may be frozen)."""
        return self.returncode is None

    @property
    def stdout(self) -> str:
        """All its output so far."""
        return self._out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """All its error output so far."""
        return self._err.read_text(errors="replace")

    def send(self, signum: signal.Signals) -> None:
        """Send a signal; SIGSTOP and SIGCONT freeze and thaw. A no-op once it has ended."""
        self._popen.send_signal(signum)
        if signum == signal.SIGSTOP:
            # It takes effect thread by thread.
            wait_until(lambda: process_state(self.pid) in "TZX", 30, f"{self.name} to be frozen")

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for the exit; the returncode. The TimeoutError has the output."""
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"{self.name} is still running after {timeout:g} s:\n{self.stdout}{self.stderr}"
            ) from None
        REAPER.forget_process(self.pid)
        return code

    def stop(self, signum: signal.Signals = signal.SIGINT, timeout: float = 30.0) -> int:
        """Send a signal and wait for the exit; the returncode.

        The TimeoutError has the output and, for a Python program, its threads' tracebacks.
        """
        self.send(signum)
        try:
            return self.wait(timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.dump()}") from None

    def dump(self) -> str:
        """Abort it; returns the tracebacks of a Python program's threads."""
        before = len(self.stderr)
        self.send(signal.SIGABRT)
        self.send(signal.SIGCONT)
        with contextlib.suppress(TimeoutError):
            self.wait(10)
        return self.stderr[before:]

    def kill(self) -> int:
        """SIGKILL, and wait."""
        return self.stop(signal.SIGKILL)

    def keep(self) -> None:
        """Leave it running when we exit."""
        REAPER.forget_process(self.pid)

    def wait_for_output(self, text: str, timeout: float = 30.0) -> None:
        """Wait for this text on stdout or stderr; fails at once if the process has ended."""

        def printed() -> bool:
            ended = not self.running
            found = text in self.stdout + self.stderr
            if ended and not found:
                raise AssertionError(f"{self.name} ended without {text!r}:\n{self.stderr}")
            return found

        wait_until(printed, timeout, f"{text!r} from {self.name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            time.sleep(LAST_SAVING)
        self.kill()


class Processes:
    """Processes and daemons that are killed together; as a context manager, on exit."""

    def __init__(self) -> None:
        self._children: list[Process] = []
        self._daemons: list[int] = []

    def start(self, argv: Sequence[Argument], directory: Path, *, name: str) -> Process:
        """Start another process."""
        self._children.append(Process(argv, directory, name=name))
        return self._children[-1]

    def adopt(self, pidfile: Path) -> int:
        """Take charge of the daemon that wrote this file; its process id."""
        pid = int(pidfile.read_text())
        REAPER.watch_process(pid)
        self._daemons.append(pid)
        return pid

    def wait_for_end(self, pid: int) -> None:
        """Wait until a daemon has exited by itself."""
        wait_until(lambda: not process_alive(pid), 30, f"daemon {pid} to exit")
        REAPER.forget_process(pid)
        self._daemons.remove(pid)

    def kill(self) -> None:
        """Kill those still running, frozen or not."""
        if self._daemons or any(process.running for process in self._children):
            time.sleep(LAST_SAVING)
        for process in self._children:
            process.kill()
        for pid in self._daemons:
            if process_alive(pid):
                os.kill(pid, signal.SIGKILL)
            REAPER.forget_process(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def mover(config: Path, *switches: Argument, name: str = "queue_mover3") -> Process:
    """Start queue_mover3 in the foreground, in the directory of its config file."""
    return Process([script("queue_mover3"), *switches, config], config.parent, name=name)
