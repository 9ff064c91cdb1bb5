"""The mode of the tests in which the program reaches its databases through PgBouncer.

`pytest --pooled source` (or target, or both) puts a PgBouncer in transaction mode, with few and
ever changing server connections, before the cluster of that side. `Database.conninfo`, which the
tests hand to the program, leads through it; `Database.connect`, the tests' own connection, which
freezes, kills and looks on, does not.

What a pooler cannot give is in UNPOOLED: each test that needs it, with the reason. These tests are
skipped, and counted at the end of the run.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from testbed.cluster import Cluster
from testbed.pgbouncer import MIXING, PgBouncer
from tests.unpooled import UNPOOLED

SIDES = {"": (), "source": ("source",), "target": ("target",), "both": ("source", "target")}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch."""
    parser.addoption(
        "--pooled",
        choices=[*SIDES],
        default="",
        help="run the program through PgBouncer on this side (source, target, both)",
    )


def pooled_sides(config: pytest.Config) -> tuple[str, ...]:
    """The sides with a pooler in this run."""
    return SIDES[config.getoption("--pooled")]


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Skip the tests that need what a pooler cannot give."""
    sides = pooled_sides(config)
    for item in items if sides else ():
        for name in {item.nodeid, item.nodeid.partition("[")[0]}:
            for side, reason in UNPOOLED.get(name, {}).items():
                if side in sides:
                    item.add_marker(pytest.mark.skip(reason=f"not through a pooler: {reason}"))


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the mode."""
    sides = pooled_sides(config)
    return f"PgBouncer in transaction mode before: {', '.join(sides)}" if sides else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was left out, by reason."""
    counts: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if "not through a pooler: " in reason:
            counts[reason] = counts.get(reason, 0) + 1
    for reason, count in sorted(counts.items(), key=lambda each: -each[1]):
        terminalreporter.write_line(f"{count:4} {reason.removeprefix('Skipped: ')}")


@contextmanager
def pooled(cluster: Cluster, side: str, config: pytest.Config) -> Iterator[Cluster]:
    """A running cluster, with a PgBouncer before it if this run has one on this side."""
    if side not in pooled_sides(config):
        yield cluster
        return
    with PgBouncer({"*": f"host=127.0.0.1 port={cluster.port}"}, **MIXING) as pooler:
        cluster.pooler = pooler.server
        yield cluster
        cluster.pooler = ""
