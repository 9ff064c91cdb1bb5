"""The figures in README.md, from the results of `make bench`: none is typed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "bench" / "results"
BEGIN = "<!-- figures: written by make docs from bench/results -->"
END = "<!-- end of figures -->"

MOVER = "queue_mover3"
"""The name of the program in the results."""


class MissingFigureError(Exception):
    """The results lack a figure that the README shows; the message has the remedy."""


class Row:
    """The results of one row of the bench."""

    def __init__(self, name: str, folder: Path = RESULTS) -> None:
        self._name = name
        path = folder / f"{name}.json"
        if not path.exists():
            raise self._missing("it has no results")
        self._values: dict[str, Any] = json.loads(path.read_text())

    @property
    def title(self) -> str:
        """What was measured."""
        return str(self._values["title"])

    @property
    def machine(self) -> str:
        """The hardware and the version of PostgreSQL."""
        return "; ".join(self._values["where"].split("; ")[1:3])

    def cell(self, line: str, column: str) -> str:
        """A median in the table: the line that begins like this."""
        header: list[str] = self._values["header"]
        found = [cells for cells in self._values["lines"] if cells[0] == line]
        if not found or column not in header:
            raise self._missing(f'no line "{line}" with a column "{column}"')
        return str(found[0][header.index(column)]).partition(" ")[0]

    def measured(self, work: str) -> str:
        """The figure that was compared with a goal, without the factor's x."""
        for finding in self._values["findings"]:
            if finding["work"] == work:
                return str(finding["measured"]).partition(" (")[0].removesuffix("x")
        raise self._missing(f'nothing measured for "{work}"')

    def _missing(self, what: str) -> MissingFigureError:
        return MissingFigureError(
            f"bench/results/{self._name}.json: {what};"
            f" remedy: .venv/bin/python -m bench --only {self._name}, or correct manuals/figures.py"
        )


def texts() -> dict[Path, str]:
    """README.md with today's figures."""
    return {README: filled(README.read_text(), block())}


def filled(page: str, figures: str) -> str:
    """A page with the figures between its two markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MissingFigureError(f"README.md lacks {BEGIN} or {END}; remedy: put both there")
    return f"{before}{BEGIN}\n\n{figures}\n{END}{after}"


def block(folder: Path = RESULTS) -> str:
    """The table of figures, and where they were measured."""
    names = "one_batch big_batch woken_latency woken_idle shared_steady many_trouble"
    rows = [Row(name, folder) for name in names.split()]
    phrases = _phrases(rows)
    lines = [f"| {row.title} | {phrase} |" for row, phrase in zip(rows, phrases, strict=True)]
    machines = " and ".join(dict.fromkeys(row.machine for row in rows))
    table = "\n".join(("| | |", "|---|---|", *lines))
    return (
        f"{table}\n\nSources, target and mover share one machine: {machines}.\n"
        "[More figures](docs/performance.md), how they were measured, and the goals missed.\n"
    )


def _phrases(rows: Sequence[Row]) -> list[str]:
    million, millions, latency, idle, shared, trouble = rows
    memory = "peak memory, MiB"
    fault = "one of 50 sources stopped, frozen (SIGSTOP) and lagging"
    ancestor, separate = "ancestor's design", "one transaction for each batch"
    return [
        f"{million.measured('one batch of 1,000,000 events, vs psql | psql')} times the time of"
        " binary COPY from `psql` to `psql`; Skytools' design needs"
        f" {million.cell(ancestor, 'vs queue_mover3').removesuffix('x')} times the mover's",
        f"{millions.measured('one batch of 5,000,000 events, vs psql | psql')} times the time of"
        f" `psql` to `psql`; {millions.cell(MOVER, memory)} MiB of memory,"
        f" and {million.cell(MOVER, memory)} MiB for the smaller batch",
        _woken_and_polling(latency, "p50 {} ms", "p50, ms", "p99 {} ms", "p99, ms"),
        "one process; "
        + _woken_and_polling(
            idle, "{}% of one core", "CPU, % of one core", "{} MiB of memory", "memory, MiB"
        ),
        f"{shared.cell('shared transactions', 'commits per batch')} commits on the target for each"
        f" batch; {shared.cell(separate, 'commits per batch')} without shared transactions",
        f"p99 is {trouble.measured(fault)} times that without a fault",
    ]


def _woken_and_polling(row: Row, one: str, one_column: str, other: str, other_column: str) -> str:
    woken, polling = (
        f"{one.format(row.cell(how, one_column))}, {other.format(row.cell(how, other_column))}"
        for how in ("woken", "polling")
    )
    return f"woken by ticks: {woken}; polling: {polling}"
