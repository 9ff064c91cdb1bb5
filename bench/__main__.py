"""`python -m bench`: run the rows, print and save the results."""

import argparse
import contextlib
import itertools
import sys
import time
from pathlib import Path

from bench import report
from bench.row import Bench, Row
from bench.rows import ROWS
from bench.servers import Servers

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"


def main() -> int:
    """Entry point."""
    switches = _switches()
    chosen = [row for row in ROWS if not switches.only or row.name in switches.only]
    results = HERE / "results"
    folder = results / "quick" if switches.quick else results
    environment = report.environment()
    for connections, rows in itertools.groupby(
        [] if switches.render else chosen, key=lambda row: row.connections
    ):
        with contextlib.closing(Servers(connections)) as servers:
            for row in rows:
                _run(row, Bench(servers, switches.quick, switches.rounds), folder, environment)
    text = report.render(folder, [row.name for row in ROWS])
    if switches.publish:
        report.publish(text, PAGE, "../bench/results")
    print(f"written: {folder / 'results.md'}")
    return 0


def _run(row: Row, bench: Bench, folder: Path, environment: str) -> None:
    started = time.monotonic()
    outcome = row.run(bench)
    report.save(folder, row.name, outcome, environment)
    print(f"{row.name}: {time.monotonic() - started:.0f} s")
    for finding in outcome.findings:
        met = {True: ": met", False: ": NOT MET", None: ""}[finding.met]
        print(f"  {finding.work}: {finding.measured} (goal: {finding.goal}){met}", flush=True)


def _switches() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    names = [row.name for row in ROWS]
    add = parser.add_argument
    add("--only", action="append", choices=names, help="run only this row; repeatable")
    add("--quick", action="store_true", help="small sizes, for development; not for publishing")
    add("--rounds", type=int, help="the number of runs per contender")
    add("--render", action="store_true", help="run nothing; rewrite the report and charts")
    add("--publish", action="store_true", help=f"copy the results into {PAGE.name}")
    switches = parser.parse_args()
    if switches.publish and switches.quick:
        parser.error("quick results are not published")
    return switches


if __name__ == "__main__":
    sys.exit(main())
