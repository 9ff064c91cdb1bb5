"""`queue_mover3 --check`: what would prevent a mover from working, before it is started."""

import argparse
from pathlib import Path

from queue_mover.cli.repairing import make_repairs
from queue_mover.observation.config_findings import read_config
from queue_mover.observation.inspection import inspect
from queue_mover.observation.repair import Repaired, repairs
from queue_mover.reporting import check_document, check_report


def run(given: argparse.Namespace, path: Path) -> int:
    """Check and print; with --fix make the repairs and check again. Returns the exit code: 0:
    nothing is wrong; 1: something is; 2: something could not be checked.

    Without --fix nothing is changed anywhere; no log is written either.
    """
    settings, about_config = read_config(path, dict(given.set), given.source)
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
