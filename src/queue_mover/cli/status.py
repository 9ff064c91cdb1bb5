"""The status of databases and movers: inspect, print, exit code."""

import sys
from collections.abc import Callable, Iterable, Mapping

from queue_mover.cli.common import print_block
from queue_mover.config.settings import MoverSettings, Settings
from queue_mover.errors import OperatorError, UnavailableError
from queue_mover.observation import overview
from queue_mover.observation.findings import Place, unreadable
from queue_mover.observation.overview import Overview
from queue_mover.reporting import database_report, document, source_report


def run(command: str, inspect: Callable[[], Overview], *, json: bool, alone: bool) -> int:
    """Print what `inspect` finds, as JSON or for people; `alone`: one database, without a heading.

    Returns the exit code: 0: no problem; 1: some; 2: something could not be read.
    """
    try:
        seen = inspect()
    except (OperatorError, UnavailableError) as error:
        remedy = "correct the command line, or the config file"
        seen = Overview(others=(unreadable(str(error), Place(), remedy),))
    if json:
        print(document.text(seen))
    else:
        _print(command, seen, alone=alone)
    return seen.exit_code


def inspect(
    databases: Iterable[str],
    files: Iterable[Settings],
    queue: str | None,
    trouble_after: float,
    flavour: str = "",
) -> Overview:
    """Inspect databases, by connect string, and all sources of movers' config files. `flavour`:
    only this one of the databases, by its schema."""
    movers, refused = sources(files)
    return overview.read(
        list(databases), movers, queue, trouble_after, flavour=flavour, refused=refused
    )


def sources(files: Iterable[Settings]) -> tuple[list[MoverSettings], Mapping[str, str]]:
    """All sources of movers' config files, and why some cannot be used."""
    files = list(files)
    refused = {name: why for file in files for name, why in file.refused.items()}
    return [mover for file in files for mover in file.movers], refused


def _print(command: str, seen: Overview, *, alone: bool) -> None:
    for finding in seen.others:
        what = finding.place.source or command
        print(f"{what}: {finding.text}; remedy: {finding.remedy}", file=sys.stderr)
    if seen.sources:
        print("\n".join(source_report.lines(seen.sources, seen.targets)))
    for number, view in enumerate(seen.databases):
        if alone and number:
            print()
        if alone and view.status is None:
            print(f"{command}: {database_report.failure(view.findings)}", file=sys.stderr)
        elif alone:
            print("\n".join(database_report.view_lines(view)))
        else:
            print_block(view.place, database_report.view_lines(view))
