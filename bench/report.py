"""Results on disk: JSON for each row; Markdown and charts made from them."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from bench import ancestor
from bench.chart import svg
from bench.outcome import Bar, Chart, Finding, Outcome
from bench.servers import SETTINGS
from testbed.programs import postgres_bindir

BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"


def environment() -> str:
    """When, where, and on what."""
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    words = [str(postgres_bindir() / "postgres"), "--version"]
    server = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[2]
    libpq = psycopg.pq.version()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores, {gibibytes:.0f} GiB,"
        f" {platform.system()} {platform.machine()}; PostgreSQL {server};"
        f" Python {platform.python_version()}, psycopg {version('psycopg')}"
        f" (libpq {libpq // 10000}.{libpq % 10000}); queue_mover {version('queue-mover')};"
        f" ancestor's design on {ancestor.versions()}"
    )


def save(folder: Path, name: str, outcome: Outcome, where: str) -> None:
    """Save a row's results as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"where": where, **asdict(outcome)}
    (folder / f"{name}.json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")


def _load(path: Path) -> tuple[str, Outcome]:
    values: dict[str, Any] = json.loads(path.read_text())
    where = str(values.pop("where"))
    values["findings"] = tuple(Finding(**finding) for finding in values["findings"])
    values["charts"] = tuple(
        Chart(**{**chart, "bars": tuple(Bar(**bar) for bar in chart["bars"])})
        for chart in values["charts"]
    )
    return where, Outcome(**values)


def render(folder: Path, names: Sequence[str]) -> str:
    """Write results.md and the charts from the JSON in the folder. Returns the Markdown."""
    found = {
        name: _load(folder / f"{name}.json") for name in names if (folder / f"{name}.json").exists()
    }
    for _, outcome in found.values():
        for chart in outcome.charts:
            (folder / f"{chart.name}.svg").write_text(svg(chart))
    text = _markdown(found)
    (folder / "results.md").write_text(f"# Results\n\n{text}")
    return text


def publish(text: str, page: Path, folder: str) -> None:
    """Copy the results into a page, between its two markers; its charts are in `folder`."""
    shown = re.sub(r"\]\((\w+\.svg)\)", rf"]({folder}/\1)", text)
    before, marker, rest = page.read_text().partition(BEGIN)
    if not marker:
        raise RuntimeError(f"{page} lacks the line {BEGIN}")
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{shown}\n{END}{after}")


def _markdown(found: Mapping[str, tuple[str, Outcome]]) -> str:
    environments = dict.fromkeys(where for where, _ in found.values())
    parts = [f"Measured: {each}." for each in environments]
    settings = ", ".join(f"{key} = {value}" for key, value in SETTINGS.items())
    parts.append(
        "Source, target and mover share the machine. Both servers run with PostgreSQL's"
        f" defaults (fsync, full_page_writes and synchronous_commit on) and: {settings}."
    )
    findings = [finding for _, outcome in found.values() for finding in outcome.findings]
    parts.append(
        _table(
            ("work", "goal", "measured", "met"),
            [(f.work, f.goal, f.measured, _met(f.met)) for f in findings],
        )
    )
    for where, outcome in found.values():
        parts += _section(outcome, where if len(environments) > 1 else "")
    return "\n\n".join(parts) + "\n"


def _section(outcome: Outcome, where: str) -> list[str]:
    parts = [f"## {outcome.title}", *([f"({where})"] if where else [])]
    parts += [f"![{chart.title}]({chart.name}.svg)" for chart in outcome.charts]
    parts.append(_table(outcome.header, outcome.lines))
    return [*parts, *outcome.notes]


def _met(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "**no**"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    # A bar, as in the name of a pipe, would end the cell.
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows)
