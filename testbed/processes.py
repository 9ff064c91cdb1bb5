"""Run commands and daemons, and wait for something to become true."""

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

from testbed.programs import RunAs
from testbed.reaper import REAPER

T = TypeVar("T")
Argument = str | Path


def wait_until(predicate: Callable[[], T], timeout: float, what: str, interval: float = 0.02) -> T:
    """The first true answer of the predicate, which is asked every interval.

    timeout, interval: seconds. A TimeoutError says what was waited for, and the last answer.
    """
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}; the last answer was {answer!r}")
        time.sleep(interval)
    return answer


def free_port() -> int:
    """A TCP port on 127.0.0.1 that is free now, below the range of outgoing connections.

    From inside that range, a client that keeps connecting while the server is down could be given
    the server's port as its own, and connect to itself.
    """
    for _ in range(1000):
        port = random.randint(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port on 127.0.0.1")


def child_processes(parent: int) -> list[int]:
    """The process ids of the living direct children of a process."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may itself hold spaces and parentheses.
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] not in "ZX":
                children.append(int(stat.parent.name))
    return children


def process_alive(pid: int) -> bool:
    """Whether a process, ours or not, is there and not a zombie."""
    return _state(pid) not in "ZX"


def _state(pid: int) -> str:
    """The letter of a process's state; X where it is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def script(name: str) -> str:
    """The path of a console script (queue_mover3, pgqadm.py, …) of the running interpreter."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise FileNotFoundError(f"{path}: not there; is the project installed into this venv?")
    return str(path)


def write_ini(path: Path, section: str, settings: Mapping[str, object]) -> Path:
    """Write a config file with one section; the path is returned."""
    lines = [f"{key} = {value}" for key, value in settings.items()]
    path.write_text("\n".join([f"[{section}]", *lines, ""]))
    return path


HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def _clean_signals(argv: tuple[str, ...], ignoring: Sequence[signal.Signals]) -> tuple[str, ...]:
    """The command, begun with the signals ignored that a test wants, and no others.

    A shell's `&` and nohup ignore some for all that is started from there. Set by env, not between
    fork and exec, where our threads could leave a lock behind.
    """
    inherited = [n for n in HANDLED if signal.getsignal(n) is signal.SIG_IGN and n not in ignoring]
    words = [f"--default-signal={number.name[3:]}" for number in inherited]
    words += [f"--ignore-signal={number.name[3:]}" for number in ignoring]
    return ("env", *words, *argv) if words else argv


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Ours, with additions; libpq's variables would redirect connections, so they stay out.

    A Python program that gets ABRT then tells what its threads do, see `Process.dump`.
    """
    ours = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**ours, "PYTHONFAULTHANDLER": "1", **(extra or {})}


@dataclass(frozen=True)
class Result:
    """How a command ended; the returncode is -N where signal N ended it."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    def check(self) -> Self:
        """Itself when the returncode is 0, an AssertionError with all output otherwise."""
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
    """Run a command to its end; env adds to the environment. The timeout is in seconds."""
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
    """A command that keeps running, with its output in files; as a context manager, killed at last.

    The files are `<name>.out` and `<name>.err` in the directory; a second process of that name
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
        """`ignoring`: signals that the process finds ignored when it starts."""
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
        """None while it runs; -N where signal N ended it."""
        return self._popen.poll()

    @property
    def running(self) -> bool:
        """Whether it lives (it may be frozen)."""
        return self.returncode is None

    @property
    def stdout(self) -> str:
        """All it has printed so far."""
        return self._out.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """All it has complained so far."""
        return self._err.read_text(errors="replace")

    def send(self, signum: signal.Signals) -> None:
        """Send a signal; SIGSTOP and SIGCONT freeze and thaw. Harmless when it has ended."""
        self._popen.send_signal(signum)
        if signum == signal.SIGSTOP:
            # It takes effect when each thread gets to it.
            wait_until(lambda: _state(self.pid) in "TZX", 30, f"{self.name} to be frozen")

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for the end, seconds at most; the returncode. TimeoutError with the output."""
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"{self.name} still runs after {timeout:g} s:\n{self.stdout}{self.stderr}"
            ) from None
        REAPER.forget_process(self.pid)
        return code

    def stop(self, signum: signal.Signals = signal.SIGINT, timeout: float = 30.0) -> int:
        """Send a signal and wait for the end; the returncode. TimeoutError with the output, and
        what its threads did."""
        self.send(signum)
        try:
            return self.wait(timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.dump()}") from None

    def dump(self) -> str:
        """End it, and tell what the threads of a Python program were doing."""
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
        """Leave it running when we end."""
        REAPER.forget_process(self.pid)

    def wait_for_output(self, text: str, timeout: float = 30.0) -> None:
        """Wait until it has printed this, on stdout or stderr; fails at once when it has ended."""

        def printed() -> bool:
            ended = not self.running
            found = text in self.stdout + self.stderr
            if ended and not found:
                raise AssertionError(f"{self.name} ended without {text!r}:\n{self.stderr}")
            return found

        wait_until(printed, timeout, f"{text!r} from {self.name}; so far: {self.stderr[-2000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Processes:
    """Processes and daemons that are killed together; as a context manager, at its end."""

    def __init__(self) -> None:
        self._children: list[Process] = []
        self._daemons: list[int] = []

    def start(self, argv: Sequence[Argument], directory: Path, *, name: str) -> Process:
        """Start one more."""
        self._children.append(Process(argv, directory, name=name))
        return self._children[-1]

    def adopt(self, pidfile: Path) -> int:
        """Take in the daemon that has written this file; its process id."""
        pid = int(pidfile.read_text())
        REAPER.watch_process(pid)
        self._daemons.append(pid)
        return pid

    def wait_for_end(self, pid: int) -> None:
        """Wait until a daemon has ended by itself."""
        wait_until(lambda: not process_alive(pid), 30, f"the end of daemon {pid}")
        REAPER.forget_process(pid)
        self._daemons.remove(pid)

    def kill(self) -> None:
        """End all that still run, frozen or not."""
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
