"""queue_mover3: move the events of one queue into another."""

import argparse
import logging
from dataclasses import replace

from queue_mover import interrupts
from queue_mover.cli import common
from queue_mover.config import parameters, sample
from queue_mover.config.settings import Settings, load_mover, load_process
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.service import moving
from queue_mover.service.job import Plan
from queue_mover.service.moving import Targets

COMMAND = "queue_mover3"

NO_CONFIG = (
    "need config file: queue_mover3 CONFIG.INI runs it, queue_mover3 --ini prints a sample,"
    " queue_mover3 --help tells all switches"
)


def main() -> int:
    """Run the command line. Returns the exit code."""
    return common.guarded(COMMAND, _run)


def switches() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = common.parser(
        COMMAND, "Moves events from one PgQ queue into a queue of another database, exactly once."
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME",
        help="only these of the file's sources; wildcards; repeatable",
    )
    group = parser.add_argument_group("position").add_mutually_exclusive_group()
    for name, help_text in (
        ("register", "register the consumer; if new, forget its position on the target"),
        ("unregister", "unregister the consumer and forget its position on the target"),
        ("rewind", "move the source's position to the one on the target"),
        ("reset", "forget the position on the target"),
        ("accept-source", "the source has moved or was upgraded: its position stays good"),
    ):
        group.add_argument(
            f"--{name}", dest="action", action="store_const", const=name, help=help_text
        )
    return parser


def _run() -> int:
    parser = switches()
    given = parser.parse_intermixed_args()
    common.require_one_purpose(parser, given, [given.action and f"--{given.action}"])
    overrides = dict(given.set)
    if given.ini or given.signal or given.action:
        interrupts.release()
    if given.ini:
        print(sample.ini(COMMAND, parameters.MOVER, overrides))
        return 0
    path = common.config_path(given, NO_CONFIG)

    if given.signal and given.source:
        raise OperatorError(
            "--source does not go with -r, -s or -k, which are for the whole process;"
            " remedy: to stop one source, take its section out of the file and reload"
        )
    process, log = load_process(path, overrides)
    common.start_log(given, log, ())
    if given.signal:
        return common.send_signal(process, given.signal)
    targets = moving.Targets()
    if given.action:
        settings = load_mover(path, overrides, given.source)
        common.start_log(given, settings.log, settings.warnings)
        return _act(given.action, settings, targets)

    def load(fresh: bool) -> Plan:
        settings = load_mover(path, overrides, given.source)
        if fresh:
            common.start_log(given, settings.log, ())
        plan = moving.plan(settings, targets)
        elsewhere = common.elsewhere(given, settings.process, settings.log)
        return replace(plan, warnings=(*plan.warnings, *elsewhere))

    return common.serve(given, process, None, load)


def _act(action: str, settings: Settings, targets: Targets) -> int:
    """Do an action for every source; one that fails does not keep the others from it."""
    code = 0
    for name, why in settings.refused.items():
        logging.getLogger(settings.process.job_name).error("%s: %s", name, why)
        code = 1
    for mover in settings.movers:
        registrar = moving.registrar(mover, targets)
        try:
            {
                "register": registrar.register,
                "unregister": registrar.unregister,
                "rewind": registrar.rewind,
                "reset": registrar.reset,
                "accept-source": registrar.accept_source,
            }[action]()
        except (OperatorError, UnavailableError) as error:
            registrar.log.error("%s", error)
            code = 1
        finally:
            registrar.close()
    return code
