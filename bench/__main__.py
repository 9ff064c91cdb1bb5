"""`python -m bench`: run the rows, print and write what was found."""

import argparse
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
    where = report.circumstances()
    running: dict[int, Servers] = {}
    for row in [] if switches.render else chosen:
        if row.connections not in running:
            for servers in running.values():
                servers.close()
            running = {row.connections: Servers(row.connections)}
        _run(row, Bench(running[row.connections], switches.quick, switches.rounds), folder, where)
    for servers in running.values():
        servers.close()
    text = report.render(folder, [row.name for row in ROWS])
    if switches.publish:
        report.publish(text, PAGE, "../bench/results")
    print(f"written: {folder / 'results.md'}")
    return 0


def _run(row: Row, bench: Bench, folder: Path, where: str) -> None:
    started = time.monotonic()
    outcome = row.run(bench)
    report.save(folder, row.name, outcome, where)
    print(f"{row.name}: {time.monotonic() - started:.0f} s")
    for finding in outcome.findings:
        sign = {True: "met", False: "NOT MET", None: ""}[finding.met]
        print(f"  {finding.work}: {finding.measured} (goal: {finding.goal}) {sign}", flush=True)


def _switches() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    names = [row.name for row in ROWS]
    add = parser.add_argument
    add("--only", action="append", choices=names, help="only this row; repeatable")
    add("--quick", action="store_true", help="small sizes, for developers; never published")
    add("--rounds", type=int, help="how often each contender runs")
    add("--render", action="store_true", help="run nothing; write report and charts anew")
    add("--publish", action="store_true", help=f"put the results into {PAGE.name}")
    switches = parser.parse_args()
    if switches.publish and switches.quick:
        parser.error("quick results are not published")
    return switches


if __name__ == "__main__":
    sys.exit(main())
