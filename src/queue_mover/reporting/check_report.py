"""The text of `queue_mover3 --check`: a line for each check, its remedy below, and a summary."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from queue_mover.config.settings import MoverSettings
from queue_mover.observation.findings import Finding, Severity
from queue_mover.observation.formatting import counted
from queue_mover.observation.inspection import CheckLine, Inspection, Result
from queue_mover.observation.repair import Repair, Repaired
from queue_mover.postgres.conninfo import describe

WORDS = {
    Result.OK: "ok",
    Result.WARNING: "warning",
    Result.FAILURE: "FAILURE",
    Result.SKIPPED: "skipped",
}
WIDTH = max(map(len, WORDS.values()))
NAMED = 5
"""The most sources that a line names."""

NAMED_REPAIRS = 20
"""The most repairs listed before they are made."""

_PGQADM = "pgqadm.py CONFIG"
_ITS_CONFIG = "CONFIG: pgqadm's file for that database; pgqadm.py --ini prints a sample."

Block = tuple[str, list[CheckLine]]
"""A heading and its lines."""


def report_lines(
    inspection: Inspection, config: Path, todo: Sequence[Repair], done: Sequence[Repaired]
) -> list[str]:
    """The whole report. `todo`: what --fix would do; `done`: what it has done."""
    lines = [*_done_lines(done)]
    blocks = _blocks(inspection)
    width = max(len(line.title) for _, found in blocks for line in found)
    for heading, found in blocks:
        lines += [heading] if heading else []
        for line in found:
            lines += _check_lines(line, width)
        lines.append("")
    if todo:
        lines.append(
            f"To make these repairs: queue_mover3 --check --fix {shlex.quote(str(config))}"
        )
        lines += [f"  {repair.text}" for repair in todo[:NAMED_REPAIRS]]
        if len(todo) > NAMED_REPAIRS:
            lines.append(f"  and {len(todo) - NAMED_REPAIRS} more")
        lines.append("")
    if any(_PGQADM in finding.remedy for finding in inspection.findings):
        lines += [_ITS_CONFIG, ""]
    return [*lines, summary(inspection)]


def summary(inspection: Inspection) -> str:
    """The number of checks by result, and of findings, in one line."""
    count = dict.fromkeys(Result, 0)
    for line in inspection.lines:
        count[line.result] += 1
    found = inspection.findings
    failures = sum(finding.severity is not Severity.WARNING for finding in found)
    counts = (
        counted(failures, "failure"),
        counted(len(found) - failures, "warning"),
    )
    sources = counted(len(inspection.surroundings), "source")
    checks = f"{counted(len(inspection.lines), 'check')}: {count[Result.OK]} ok"
    skipped = f", {count[Result.SKIPPED]} skipped" if count[Result.SKIPPED] else ""
    return f"{sources}, {checks}{skipped}; {counts[0]}, {counts[1]}."


def _done_lines(done: Sequence[Repaired]) -> Iterator[str]:
    if not done:
        return
    yield "Repairs"
    for each in done:
        if each.error:
            yield f"  {'FAILED':<{WIDTH}}  {each.repair.text}: {each.error}"
        else:
            yield f"  {'done':<{WIDTH}}  {each.repair.text}"
    yield ""


def _check_lines(line: CheckLine, width: int) -> Iterator[str]:
    indent = " " * (WIDTH + width + 6)
    if not line.findings:
        yield f"  {WORDS[line.result]:<{WIDTH}}  {line.title:<{width}}  {line.note}".rstrip()
    for finding in line.findings:
        word = WORDS[Result.WARNING if finding.severity is Severity.WARNING else Result.FAILURE]
        yield f"  {word:<{WIDTH}}  {line.title:<{width}}  {finding.text}"
        yield f"{indent}remedy: {finding.remedy}"


def _blocks(inspection: Inspection) -> list[Block]:
    """One list for one source. Several are grouped: first the problems that they share, then each
    source with others, then those without any."""
    lines = inspection.lines
    names = list(dict.fromkeys(line.source for line in lines if line.source))
    if len(names) < 2:
        checked = [line for line in lines if line.result is not Result.SKIPPED]
        return [("", [*checked, *_skipped(lines)])]
    movers = {each.status.mover.source: each.status.mover for each in inspection.surroundings}

    def heading(group: Sequence[str]) -> str:
        return _heading(group, len(names)) + _way([movers[name] for name in group])

    process = [line for line in lines if not line.source]
    of_sources = [line for line in lines if line.source]
    blocks: list[Block] = [("The process", process)]
    shared = _shared(of_sources)
    blocks += [(heading(group), found) for group, found in _grouped(shared)]
    alone, well = [], []
    for name in names:
        own = [line for line in of_sources if line.source == name]
        rest = [_without(line, shared) for line in own]
        bad = [line for line in rest if line.findings]
        if bad:
            alone.append((heading([name]), [*bad, *_others(own)]))
        elif all(line.result is Result.OK for line in own):
            well.append(name)
    if well:
        checks = len([line for line in of_sources if line.source == well[0]])
        alone.append(
            (heading(well), [CheckLine("", "all", "", Result.OK, counted(checks, "check"))])
        )
    return blocks + alone


Matter = tuple[str, str, str]
"""The topic, text and remedy of a problem that several sources may share."""


def _matter(line: CheckLine, finding: Finding) -> Matter:
    """A finding without the names of its source and consumer."""
    consumer = f' "{finding.place.consumer}"' if finding.place.consumer else ""
    remedy = finding.remedy.replace(f"--source {shlex.quote(line.source)}", "--source NAME")
    text = finding.text.replace(consumer, "", 1) if consumer else finding.text
    return (line.topic, text, remedy)


def _shared(lines: Iterable[CheckLine]) -> dict[Matter, list[CheckLine]]:
    """The problems that several sources share, each with their lines."""
    found: dict[Matter, list[CheckLine]] = {}
    for line in lines:
        for finding in line.findings:
            found.setdefault(_matter(line, finding), []).append(line)
    return {matter: lines for matter, lines in found.items() if len(lines) > 1}


def _grouped(
    shared: dict[Matter, list[CheckLine]],
) -> list[tuple[list[str], list[CheckLine]]]:
    """The shared problems, grouped by the sources that have them."""
    groups: dict[tuple[str, ...], list[CheckLine]] = {}
    for matter, lines in shared.items():
        first = lines[0]
        one = next(f for f in first.findings if _matter(first, f) == matter)
        finding = replace(one, text=matter[1], remedy=matter[2])
        group = tuple(line.source for line in lines)
        only = CheckLine(first.topic, first.title, "", first.result, "", (finding,))
        groups.setdefault(group, []).append(only)
    return [(list(group), lines) for group, lines in groups.items()]


def _without(line: CheckLine, shared: dict[Matter, list[CheckLine]]) -> CheckLine:
    own = tuple(f for f in line.findings if _matter(line, f) not in shared)
    return CheckLine(line.topic, line.title, line.source, line.result, line.note, own)


def _others(own: Sequence[CheckLine]) -> Iterator[CheckLine]:
    """One line for all checks that passed, and one for each reason why others were skipped."""
    well = [line.title for line in own if line.result is Result.OK]
    if well:
        yield CheckLine("", f"{len(well)} more", "", Result.OK, ", ".join(well))
    yield from _skipped(own)


def _skipped(lines: Sequence[CheckLine]) -> Iterator[CheckLine]:
    """One line for each reason why checks were skipped."""
    skipped = [line for line in lines if line.result is Result.SKIPPED]
    for reason in dict.fromkeys(line.note for line in skipped):
        titles = [line.title for line in skipped if line.note == reason]
        words = f"{reason}: {', '.join(titles)}"
        yield CheckLine("", counted(len(titles), "check"), "", Result.SKIPPED, words)


def _way(movers: Sequence[MoverSettings]) -> str:
    """The source and the target, each if it is the same for all movers."""
    sources = {describe(mover.src_db) for mover in movers}
    targets = {describe(mover.dst_db) for mover in movers}
    start = f": from {sources.pop()}" if len(sources) == 1 else ""
    end = f"{'' if start else ':'} to {targets.pop()}" if len(targets) == 1 else ""
    return start + end


def _heading(names: Sequence[str], total: int) -> str:
    if len(names) == total:
        return f"All {total} sources"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    word = "Source" if len(names) == 1 else "Sources"
    return f"{word} {', '.join(names[:NAMED])}{more}"
