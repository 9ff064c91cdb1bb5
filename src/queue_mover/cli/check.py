"""`queue_mover3 --check`: what would prevent a mover from working, before it is started."""

import argparse
from importlib import import_module
from pathlib import Path

from queue_mover.cli.repairing import make_repairs
from queue_mover.config.settings import Settings
from queue_mover.errors import OperatorError
from queue_mover.observation.config_findings import read_config, refused_at_start
from queue_mover.observation.findings import Finding
from queue_mover.observation.inspection import inspect
from queue_mover.observation.repair import Repaired, repairs
from queue_mover.reporting import check_document, check_report
from queue_mover.system.logs import skylog_file
from queue_mover.system.pidfile import running_pid


def run(given: argparse.Namespace, path: Path) -> int:
    """Check and print; with --fix make the repairs and check again. Returns the exit code: 0:
    nothing is wrong; 1: something is; 2: something could not be checked.

    Without --fix nothing is changed anywhere; no log is written either.
    """
    settings, about_config = read_config(path, dict(given.set), given.source)
    if settings is not None:
        about_config += _refused_at_start(settings)
    inspection = inspect(path, settings, about_config)
    todo, done = repairs(inspection.surroundings), list[Repaired]()
    if given.fix and todo and settings is not None:
        done = list(make_repairs(todo, settings.movers))
        inspection = inspect(path, settings, about_config)
        failed = {each.repair.text for each in done if each.error}
        todo = [repair for repair in repairs(inspection.surroundings) if repair.text not in failed]
    if given.json:
        print(check_document.check_text(inspection, path, todo, done))
    else:
        print("\n".join(check_report.report_lines(inspection, path, todo, done)))
    return inspection.exit_code


def _refused_at_start(settings: Settings) -> list[Finding]:
    """What the process itself would refuse, before its movers start."""
    found = []
    for require in (_require_http, _require_skylog):
        try:
            require(settings)
        except OperatorError as error:
            found.append(refused_at_start(error))
    return found


def _require_http(settings: Settings) -> None:
    if settings.http.http_listen is None:
        return
    # Raises OperatorError as well, where a package is missing.
    serving = import_module("queue_mover.reporting.web.serving")
    pidfile = settings.process.pidfile
    is_free = pidfile is not None and running_pid(pidfile) is None
    serving.require_usable(settings.http, is_free=is_free)


def _require_skylog(settings: Settings) -> None:
    if settings.log.use_skylog:
        skylog_file(settings.log)
