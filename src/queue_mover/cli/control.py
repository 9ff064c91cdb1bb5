"""-r, -s and -k: signal the process of a config file, and wait for its end."""

import argparse
import logging
import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals
from typing import Any

from queue_mover.config.settings import ProcessSettings
from queue_mover.errors import OperatorError
from queue_mover.system.pidfile import has_ended, require_readable, running_pid

WAIT = 60.0
"""Seconds that --wait allows by default."""

POLL = 0.05
"""Seconds between checks whether the process has ended."""

_DONE = {
    SIGHUP: "reloading pid {pid} ({path})",
    SIGINT: "stopping pid {pid} ({path})",
    SIGTERM: "stopping pid {pid} at once ({path})",
}
_STILL_RUNNING = {
    SIGINT: "wait longer with --wait SECONDS, or stop it at once with -k",
    SIGTERM: "see its log for what it waits for; as a last resort kill -9 {pid}",
}


class Parser(argparse.ArgumentParser):
    """A parser that takes `--wait CONFIG` as --wait without a number, and then the file."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the parent's; until Python 3.12 every way to parse calls this."""
        words = sys.argv[1:] if args is None else args
        return super().parse_known_args(list(_with_default_wait(words)), namespace)

    def parse_known_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the parent's, which since Python 3.13 does not call the other one."""
        words = sys.argv[1:] if args is None else args
        return super().parse_known_intermixed_args(list(_with_default_wait(words)), namespace)


def _with_default_wait(arguments: Sequence[str]) -> Iterable[str]:
    for word, following in zip(arguments, (*arguments[1:], ""), strict=False):
        yield f"--wait={WAIT:g}" if word == "--wait" and not _is_number(following) else word


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def add_wait(group: argparse._ArgumentGroup) -> None:
    """Add the switch --wait."""
    group.add_argument(
        "--wait",
        nargs="?",
        type=_seconds,
        const=WAIT,
        metavar="SECONDS",
        help="with -s or -k: return when the process has ended, with exit code 1 if that takes"
        f" longer; without a number: {WAIT:g} seconds",
    )


def _seconds(text: str) -> float:
    if not _is_number(text) or not math.isfinite(float(text)) or float(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return float(text)


def require_signal(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Exit with usage and code 2 when --wait has nothing to wait for."""
    if given.wait is not None and given.signal not in (SIGINT, SIGTERM):
        parser.error("--wait works only with -s or -k")


def send_signal(settings: ProcessSettings, given: argparse.Namespace) -> int:
    """Send the given signal to the process of the pidfile, and wait as given. Returns the exit
    code: 0 also when it is not running.

    Raises OperatorError when the signal may not be sent, when the process has not ended in time,
    and when there is no pidfile: the process may be running all the same, if a relative path was
    resolved in another directory.
    """
    log = logging.getLogger(settings.job_name)
    if settings.pidfile is None:
        log.warning("No pidfile in config, nothing to do")
        return 0
    path = settings.pidfile.absolute()
    pid = running_pid(path)
    if pid is None:
        require_readable(path)
        if not path.exists():
            remedy = (
                "" if settings.pidfile.is_absolute() else "; remedy: run this where it was started"
            )
            raise OperatorError(f"No pidfile {path}, process not running{remedy}")
        log.warning("pidfile exists, but process not running")
        return 0
    number: Signals = given.signal
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, number)
        except PermissionError:
            raise OperatorError(
                f"not permitted to signal process {pid}; remedy: run as the user that started it"
            ) from None
    _print(given, _DONE[number].format(pid=pid, path=path))
    if given.wait is not None:
        _wait(given, path, pid)
    return 0


def _wait(given: argparse.Namespace, path: Path, pid: int) -> None:
    began = time.monotonic()
    while not has_ended(path, pid):
        if time.monotonic() - began > given.wait:
            remedy = _STILL_RUNNING[given.signal].format(pid=pid)
            raise OperatorError(
                f"pid {pid} ({path}) has not ended within {given.wait:g} s; remedy: {remedy}"
            )
        time.sleep(POLL)
    _print(given, f"pid {pid} has ended")


def _print(given: argparse.Namespace, line: str) -> None:
    # As in the log, -v wins over -q.
    if given.verbose or not given.quiet:
        # Shown at once, in a pipe too.
        print(line, flush=True)
