"""queue_mover3: move the events of one queue into another."""

import argparse
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from queue_mover.cli import common, control, report_switches
from queue_mover.cli.terminal import Terminal
from queue_mover.cli.web import Web
from queue_mover.config import parameters, sample
from queue_mover.config.loading import load_mover, load_process
from queue_mover.config.queue_lists import START_PATIENCE, QueueLists
from queue_mover.config.schema import Group
from queue_mover.config.settings import Settings
from queue_mover.errors import OperatorError, UnavailableError, UnknownSourceError
from queue_mover.moving.registration import Registrar
from queue_mover.service import mover_job
from queue_mover.service.job import Plan
from queue_mover.service.reload_check import ReloadCheck
from queue_mover.service.targets import Targets
from queue_mover.system import early_signals
from queue_mover.system.pidfile import require_no_unlocked

COMMAND = "queue_mover3"

NO_CONFIG = (
    "need config file: {command} CONFIG.INI runs it, {command} --ini prints a sample,"
    " {command} --help lists all switches"
)


@dataclass(frozen=True, slots=True)
class Program:
    """A command that runs movers; they differ in the section of their files."""

    command: str
    description: str
    parameters: tuple[Group, ...]
    require: Callable[[Path, Mapping[str, str]], None] = lambda *_: None
    """Raises ConfigError for a file of another command."""


MOVER = Program(
    COMMAND,
    "Moves events from one PgQ queue into a queue of another database, exactly once.",
    parameters.MOVER,
)


def main(program: Program = MOVER) -> int:
    """Run the command line. Returns the exit code."""
    return common.guarded(program.command, lambda: _run(program))


def switches(program: Program = MOVER) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = common.parser(program.command, program.description)
    parser.epilog = (
        "Events get new numbers (ev_id) from the target queue, in the same order, unless"
        " keep_event_id = 1."
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME",
        help="only these sources of the file; wildcards allowed; repeatable",
    )
    report_switches.add_switches(parser)
    position = parser.add_argument_group("position")
    position.add_argument(
        "--consumer",
        default="",
        type=common.name,
        metavar="NAME",
        help="with a switch below: act on this consumer, which need not be in the file, on the"
        " queue of the one --source, else of the main section and --set",
    )
    group = position.add_mutually_exclusive_group()
    group.add_argument(
        "--take-over",
        type=common.name,
        metavar="OLD",
        help="continue from the position of another consumer of the same queue, and unregister it",
    )
    for name, help_text in (
        (
            "register",
            "register the consumer at the newest tick: waiting events are not moved; if new, forget"
            " its position on the target",
        ),
        ("unregister", "unregister the consumer and forget its position on the target"),
        ("rewind", "move the registration on the source to the position on the target"),
        ("reset", "forget the position on the target"),
        ("accept-source", "the source has moved or was upgraded: keep its position"),
    ):
        group.add_argument(
            f"--{name}", dest="action", action="store_const", const=name, help=help_text
        )
    return parser


def _run(program: Program) -> int:
    parser = switches(program)
    given = parser.parse_intermixed_args()
    purpose = given.action or (given.take_over is not None and "take-over")
    report = report_switches.purpose(given)
    _require_sense(parser, given, purpose, report)
    overrides = dict(given.set)
    if given.ini or given.signal or purpose or report:
        early_signals.release()
    if given.ini or given.status:
        return _show(program, given, overrides)
    path = common.config_path(given, NO_CONFIG.format(command=program.command))
    program.require(path, overrides)
    if given.check:
        # Only here: who runs a mover does not wait for what is needed to print a report.
        return int(import_module("queue_mover.cli.check").run(given, path))

    if given.signal and given.source:
        raise OperatorError(
            "--source cannot be used with -r, -s or -k, which apply to the whole process;"
            " remedy: to stop one source, remove its section from the file and reload"
        )
    process, log, http = load_process(path, overrides)
    common.start_log(given, log)
    if given.signal:
        return control.send_signal(process, given)
    action = _action(given)
    targets = Targets()
    if action:
        if process.pidfile is not None:
            require_no_unlocked(process.pidfile)
        return _act(given, action, _settings(program, given, path), targets)

    web, terminal = Web(http, targets.shared), Terminal(given)
    reload_check = ReloadCheck()

    lists = QueueLists(START_PATIENCE)

    def load(fresh: bool) -> Plan:
        settings = load_mover(path, overrides, given.source, lists=lists)
        reload_check.check(settings.movers, fresh=fresh)
        if fresh:
            common.start_log(given, settings.log)
        plan = mover_job.plan(settings, targets, lists)
        plan = terminal.plan(settings, web.plan(settings, plan))
        paths = common.path_warnings(given, settings.process, settings.log)
        return replace(plan, warnings=(*plan.warnings, *paths))

    return common.serve(given, process, None, load, web, terminal)


def _require_sense(
    parser: argparse.ArgumentParser,
    given: argparse.Namespace,
    purpose: str | Literal[False],
    report: str | None,
) -> None:
    """Refuse switches of which one would be ignored. `purpose`: what changes a position."""
    common.require_one_purpose(parser, given, [f"--{purpose}" if purpose else None, report])
    if given.consumer and not purpose:
        raise OperatorError(
            "--consumer works only with a position switch, such as --unregister;"
            " remedy: to run a mover under another name, set consumer_name"
        )


def _show(program: Program, given: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    """Print the sample config, or the status."""
    if given.ini:
        print(sample.ini(program.command, program.parameters, overrides))
        return 0

    def load(path: Path) -> Settings:
        program.require(path, overrides)
        return load_mover(path, overrides, given.source)

    code: int = import_module("queue_mover.cli.mover_status").run(program.command, given, load)
    return code


def _action(given: argparse.Namespace) -> Callable[[Registrar], None] | None:
    """The action of a switch; None: run the movers."""
    if given.take_over is not None:
        return lambda registrar: registrar.take_over(given.take_over)
    actions: dict[str | None, Callable[[Registrar], None]] = {
        "register": Registrar.register,
        "unregister": Registrar.unregister,
        "rewind": Registrar.rewind,
        "reset": Registrar.reset,
        "accept-source": Registrar.accept_source,
    }
    return actions.get(given.action)


def _settings(program: Program, given: argparse.Namespace, path: Path) -> Settings:
    """The settings for an action; prints the warnings about the file."""
    try:
        settings = load_mover(path, dict(given.set), given.source, given.consumer)
    except UnknownSourceError as error:
        if given.action not in ("unregister", "reset"):
            raise
        raise OperatorError(
            f"{error}; remedy, if it was removed from the file: name its consumer,"
            f" --consumer JOB_NAME.SOURCE --set src_db=... --{given.action}"
        ) from None
    common.start_log(given, settings.log)
    common.warn(program.command, settings.warnings)
    return settings


def _act(
    given: argparse.Namespace,
    action: Callable[[Registrar], None],
    settings: Settings,
    targets: Targets,
) -> int:
    """Do an action for every source, also after one has failed. Returns the exit code."""
    if given.take_over is not None and len(settings.movers) > 1:
        raise OperatorError("--take-over works on one source; remedy: add one --source NAME")
    targets.set_movers(settings.movers)
    code = 0
    for name, why in settings.refused.items():
        logging.getLogger(settings.process.job_name).error("%s: %s", name, why)
        code = 1
    for mover in settings.movers:
        registrar = mover_job.registrar(mover, targets)
        try:
            action(registrar.resolved())
        except (OperatorError, UnavailableError) as error:
            registrar.log.error("%s", error)
            code = 1
        finally:
            registrar.close()
    return code
