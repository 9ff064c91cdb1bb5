"""What both commands share: the common switches, signals by pidfile, running as a service."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from queue_mover import __version__, logs, process
from queue_mover.config.settings import LogSettings, ProcessSettings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.service.job import Plan
from queue_mover.service.supervisor import Supervisor


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """A parser with the switches that both have, and the config file as first argument."""
    result = argparse.ArgumentParser(command, description=description)
    result.add_argument(
        "config", type=Path, nargs="?", metavar="config.ini", help="the config file"
    )
    add = result.add_argument
    add("-V", "--version", action="version", version=f"{command} {__version__}")
    add("-q", "--quiet", action="store_true", help="log only warnings and errors")
    add("-v", "--verbose", action="count", default=0, help="log more; -vv: everything")
    add("-d", "--daemon", action="store_true", help="go background; needs a pidfile")
    add("--ini", action="store_true", help="print a sample config and exit")
    add(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="override a value of the config file; repeatable",
    )
    control = result.add_argument_group(
        "control the running process"
    ).add_mutually_exclusive_group()
    for letter, word, number, help_text in (
        ("r", "reload", signal.SIGHUP, "reload its config (HUP)"),
        ("s", "stop", signal.SIGINT, "stop it after the current batch (INT)"),
        ("k", "kill", signal.SIGTERM, "stop it at once, rolling back (TERM)"),
    ):
        control.add_argument(
            f"-{letter}",
            f"--{word}",
            dest="signal",
            action="store_const",
            const=number,
            help=help_text,
        )
    return result


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return key.strip().lower(), value.strip()


def guarded(command: str, run: Callable[[], int]) -> int:
    """Run a command. An operator's error becomes one line on stderr and exit code 1."""
    try:
        return run()
    except (OperatorError, UnavailableError) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1


def config_path(switches: argparse.Namespace) -> Path:
    """The config file that was named. Raises OperatorError when none was."""
    if switches.config is None:
        raise OperatorError("need config file, use --help for help")
    path: Path = switches.config
    return path


def start_log(switches: argparse.Namespace, settings: LogSettings, notes: Sequence[str]) -> None:
    """Start the log of a service, and write the config's warnings into it."""
    logs.start(settings, _level(switches), daemon=switches.daemon)
    for note in notes:
        logging.getLogger(settings.job_name).warning("%s", note)


def start_command_log(switches: argparse.Namespace, settings: LogSettings) -> None:
    """Start the log of a command whose answer is on stdout: its INFO goes to the file only."""
    level = _level(switches)
    console = level if level < logging.INFO else logging.WARNING
    logs.start(settings, level, daemon=False, console_level=console)


def warn(command: str, notes: Sequence[str]) -> None:
    """Tell the config's warnings to whoever runs a command; its log is for those of a service."""
    for note in notes:
        print(f"{command}: warning: {note}", file=sys.stderr)


def _level(switches: argparse.Namespace) -> int:
    """How much to log, as the switches ask."""
    # As ever, -v wins over -q.
    if switches.verbose:
        return logging.DEBUG if switches.verbose == 1 else logs.TRACE
    return logging.WARNING if switches.quiet else logging.INFO


def send_signal(settings: ProcessSettings, number: signal.Signals) -> int:
    """Signal the process that holds the pidfile. Exit code 0 also when there is none."""
    log = logging.getLogger(settings.job_name)
    if settings.pidfile is None:
        log.warning("No pidfile in config, nothing to do")
        return 0
    pid = process.running_pid(settings.pidfile)
    if pid is None:
        state = (
            "pidfile exists, but process" if settings.pidfile.exists() else "No pidfile, process"
        )
        log.warning("%s not running", state)
        return 0
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, number)
        except PermissionError:
            raise OperatorError(
                f"may not signal process {pid}; remedy: run as the user that started it"
            ) from None
    return 0


def serve(
    switches: argparse.Namespace,
    settings: ProcessSettings,
    plan: Plan,
    load: Callable[[bool], Plan],
) -> int:
    """Run a plan under the pidfile's lock, in the background if so asked. Returns the exit code.

    Raises OperatorError when another process holds the pidfile.
    """
    log = logging.getLogger(settings.job_name)
    if settings.pidfile is None:
        if switches.daemon:
            raise OperatorError("Daemon needs pidfile; remedy: set pidfile in the config file")
        supervisor = Supervisor(load, log)
        with process.signals(supervisor.notify):
            return supervisor.run(plan)
    pidfile = process.PidFile(settings.pidfile)
    if stale := pidfile.lock():
        log.warning("Ignoring stale pidfile: process %s is gone", stale)
    background = process.go_background() if switches.daemon else None
    running = background.detach if background else lambda: None
    supervisor = Supervisor(load, log, running=running)
    with process.signals(supervisor.notify):
        pidfile.write()
        try:
            return supervisor.run(plan)
        finally:
            pidfile.remove()
