"""What both commands share: the common switches, signals by pidfile, running as a service."""

import argparse
import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from queue_mover import __version__
from queue_mover.cli import control
from queue_mover.cli.terminal import Terminal
from queue_mover.cli.versions import VersionAction
from queue_mover.cli.web import Web
from queue_mover.config import config_warnings
from queue_mover.config.settings import ProcessSettings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.service.job import Plan
from queue_mover.service.supervisor import Supervisor
from queue_mover.system import journal, logs, notify
from queue_mover.system.background import go_background
from queue_mover.system.logs import LogSettings
from queue_mover.system.pidfile import PidFile
from queue_mover.system.signals import signals


def parser(command: str, description: str, piece: str = "batch") -> argparse.ArgumentParser:
    """A parser with the common switches, and the config file as first argument. `piece`: what a
    stop finishes first."""
    result = control.Parser(command, description=description)
    result.add_argument(
        "config", type=Path, nargs="?", metavar="config.ini", help="the config file"
    )
    result.set_defaults(program=f"{command} {__version__}")
    add = result.add_argument
    add("-V", "--version", action=VersionAction, nargs=0)
    add("-q", "--quiet", action="store_true", help="log only warnings and errors")
    add("-v", "--verbose", action="count", default=0, help="log more; -vv: everything")
    add("-d", "--daemon", action="store_true", help="run in the background; needs a pidfile")
    add("--ini", action="store_true", help="print a sample config and exit")
    add(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="override a value of the config file; repeatable",
    )
    running = result.add_argument_group("control the running process")
    signals = running.add_mutually_exclusive_group()
    for letter, word, number, help_text in (
        ("r", "reload", signal.SIGHUP, "reload its config (HUP)"),
        ("s", "stop", signal.SIGINT, f"stop it after the current {piece} (INT)"),
        ("k", "kill", signal.SIGTERM, "stop it at once, rolling back (TERM)"),
    ):
        signals.add_argument(
            f"-{letter}",
            f"--{word}",
            dest="signal",
            action="store_const",
            const=number,
            help=help_text,
        )
    control.add_wait(running)
    return result


def name(text: str) -> str:
    """A name in a database. Raises ArgumentTypeError if its bytes are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid UTF-8") from None
    return text


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return key.strip().lower(), value.strip()


UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE, errno.EIO)
"""Errors of output that cannot be written: a full disk, a closed pipe."""


def guarded(command: str, run: Callable[[], int]) -> int:
    """Run a command. Operator errors and output that cannot be written become one line on stderr
    and exit code 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A locale such as en_GB, which is ISO-8859-1, has no letter for each name in a database.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except (OperatorError, UnavailableError) as error:
        _print_error(f"{command}: {error}")
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        _drop_output()
        _print_error(f"{command}: cannot write the output: {error.strerror}")
    except KeyboardInterrupt:
        # Nothing has started that ^C could interrupt: no traceback.
        pass
    return 1


def _print_error(line: str) -> None:
    # stderr may be closed.
    with suppress(OSError):
        print(journal.marked(logging.ERROR, line), file=sys.stderr)


def _drop_output() -> None:
    """Discard buffered output, so that flushing it at exit does not fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def require_one_purpose(
    parser: argparse.ArgumentParser, given: argparse.Namespace, purposes: Sequence[str | None]
) -> None:
    """Exit with usage and code 2 where one of two switches would be ignored.

    `purposes`: other given switches or commands; None: not given.
    """
    control.require_signal(parser, given)
    known = {signal.SIGHUP: "-r", signal.SIGINT: "-s", signal.SIGTERM: "-k"}
    chosen = [
        "--ini" if given.ini else None,
        known.get(given.signal),
        "-d" if given.daemon else None,
        *purposes,
    ]
    words = [word for word in chosen if word]
    if len(words) > 1:
        parser.error(f"{words[0]} cannot be used with {words[1]}; remedy: use one at a time")


def config_path(
    switches: argparse.Namespace, message: str = "need config file, use --help for help"
) -> Path:
    """The given config file. Raises OperatorError with `message` when there is none."""
    if switches.config is None:
        raise OperatorError(message)
    path: Path = switches.config
    return path


def path_warnings(
    switches: argparse.Namespace, settings: ProcessSettings, log: LogSettings
) -> tuple[str, ...]:
    """Warnings about relative paths outside the config's directory, and about a missing log, for a
    service."""
    files = {"pidfile": settings.pidfile, "logfile": log.logfile}
    lost = switches.daemon and log.logfile is None and not log.use_skylog
    warning = "logfile: not set: with -d, nothing is logged from here on; remedy: set logfile"
    return (
        *config_warnings.relative_paths(config_path(switches), files),
        *([warning] if lost else []),
    )


def start_log(switches: argparse.Namespace, settings: LogSettings) -> None:
    """Start the log of a service, at the level of the switches."""
    logs.start(settings, _level(switches), daemon=switches.daemon)


def start_command_log(switches: argparse.Namespace, settings: LogSettings) -> None:
    """Start the log of a command that prints its result: INFO goes to the file only."""
    level = _level(switches)
    console = level if level < logging.INFO else logging.WARNING
    logs.start(settings, level, daemon=False, console_level=console)


def warn(command: str, warnings: Sequence[str]) -> None:
    """Print the config's warnings on stderr; a service logs them instead."""
    for warning in warnings:
        line = f"{command}: warning: {warning}"
        print(journal.marked(logging.WARNING, line), file=sys.stderr)


def print_block(title: str, lines: Sequence[str]) -> None:
    """Print lines below a title."""
    print("\n".join([f"{title}:", *(f"  {line}".rstrip() for line in lines), ""]))


def _level(switches: argparse.Namespace) -> int:
    """The log level of the switches."""
    # As in Skytools, -v wins over -q.
    if switches.verbose:
        return logging.DEBUG if switches.verbose == 1 else logs.TRACE
    return logging.WARNING if switches.quiet else logging.INFO


def serve(
    switches: argparse.Namespace,
    settings: ProcessSettings,
    plan: Plan | None,
    load: Callable[[bool], Plan],
    web: Web | None = None,
    terminal: Terminal | None = None,
) -> int:
    """Run a plan, or without one what `load` reads, under the pidfile's lock; with -d in the
    background; with HTTP, and a display on a terminal, if wanted. Returns the exit code.

    Raises OperatorError when another process holds the pidfile, or the config cannot be used.
    """
    log = logging.getLogger(settings.job_name)

    @contextmanager
    def beside(supervisor: Supervisor) -> Iterator[None]:
        with ExitStack() as stack:
            companions: list[Web | Terminal | None] = [web, terminal]
            for each in companions:
                if each:
                    stack.enter_context(each.beside(supervisor.snapshot, log))
            yield

    if settings.pidfile is None:
        if switches.daemon:
            raise OperatorError("Daemon needs pidfile; remedy: set pidfile in the config file")
        notifier = notify.from_environment()
        supervisor = Supervisor(switches.program, load, settings, log, notifier=notifier)
        with signals(supervisor.notify), beside(supervisor):
            return supervisor.run(plan)
    pidfile = PidFile(settings.pidfile)
    note = pidfile.lock()
    background = go_background() if switches.daemon else None
    running = background.detach if background else lambda: None
    supervisor = Supervisor(
        switches.program,
        load,
        settings,
        log,
        notes=[note] if note else [],
        running=running,
        notifier=notify.from_environment(),
    )
    with signals(supervisor.notify):
        try:
            pidfile.write()
            with beside(supervisor):
                return supervisor.run(plan)
        finally:
            pidfile.remove()
