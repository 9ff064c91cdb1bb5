"""queue_mover3 --status: the status of a config file's movers, once or repeatedly."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from queue_mover.cli import common
from queue_mover.cli.report_switches import EVERY
from queue_mover.config.settings import Settings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.observation import overview
from queue_mover.observation.findings import Place, unreadable
from queue_mover.observation.overview import Overview
from queue_mover.reporting import document, source_report

SHORTEST = 0.1

CLEAR = "\033[H\033[2J"


def run(command: str, given: argparse.Namespace, load: Callable[[Path], Settings]) -> int:
    """Print the status, once or until INT. Returns the exit code, that of the last report."""
    seconds = _seconds(given)
    path = given.config
    if seconds is None:
        return _report(command, given, path, load, notes=True)
    # A shell's `&` and nohup ignore INT, the one way to end this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _watch(command, given, path, load, seconds)
    except KeyboardInterrupt:
        return 0


def _watch(
    command: str,
    given: argparse.Namespace,
    path: Path | None,
    load: Callable[[Path], Settings],
    seconds: float,
) -> int:
    notes = True
    while True:
        began = time.monotonic()
        _report(command, given, path, load, notes=notes, watching=seconds)
        notes = False
        time.sleep(max(SHORTEST, seconds - (time.monotonic() - began)))


def _seconds(given: argparse.Namespace) -> float | None:
    """Seconds between two reports; None: one only. A word that is not a number is the config file.

    Raises OperatorError.
    """
    text = given.watch
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        if given.config is None:
            given.config, text = Path(text), EVERY
        seconds = _number(text)
    if not SHORTEST <= seconds <= 86400:
        raise OperatorError(f"--watch: {text} is not between {SHORTEST:g} and 86400 seconds")
    return seconds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OperatorError(f"--watch: {text!r} is not a number of seconds") from None


def _report(
    command: str,
    given: argparse.Namespace,
    path: Path | None,
    load: Callable[[Path], Settings],
    *,
    notes: bool,
    watching: float = 0,
) -> int:
    try:
        settings = load(_config(command, path))
    except (OperatorError, UnavailableError) as error:
        remedy = "correct the command line, or the config file"
        seen = Overview(others=(unreadable(str(error), Place(), remedy),))
    else:
        seen = overview.read((), settings.movers, None, 0, refused=settings.refused)
        if notes:
            common.warn(command, settings.warnings)
    if given.json:
        print(document.text(seen), flush=True)
    elif watching:
        print(_frame([*_lines(seen), *_complaints(command, seen)], watching), flush=True)
    else:
        print("\n".join(_complaints(command, seen)), file=sys.stderr, end="\n" * bool(seen.others))
        print("\n".join(_lines(seen)), end="\n" * bool(seen.sources))
    return seen.exit_code


def _config(command: str, path: Path | None) -> Path:
    if path is None:
        raise OperatorError(f"need config file; remedy: {command} --status CONFIG.INI")
    return path


def _lines(seen: Overview) -> Sequence[str]:
    return source_report.lines(seen.sources, seen.targets) if seen.sources else ()


def _frame(lines: Sequence[str], seconds: float) -> str:
    """One of several reports; on a terminal it clears the screen."""
    title = f"{time.strftime('%Y-%m-%d %H:%M:%S')}, every {seconds:g} s"
    if sys.stdout.isatty():
        return "\n".join([CLEAR + title, "", *lines])
    return "\n".join([title, "", *lines, ""])


def _complaints(command: str, seen: Overview) -> list[str]:
    return [f"{each.place.source or command}: {each.message}" for each in seen.others]
