"""`queue_mover3 --check`: checks a mover's config, machine and databases before the start.

Nothing is written, neither to a database nor to the disk. `check_report` prints the result for
people, `check_document` for programs.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from pathlib import Path

from queue_mover.config.settings import MoverSettings, Settings
from queue_mover.errors import QueueMoverError
from queue_mover.model import Flavour
from queue_mover.observation import sources, topics
from queue_mover.observation.environment import Environment, read_environment
from queue_mover.observation.environment_findings import Surroundings, judge_surroundings
from queue_mover.observation.findings import Code, Finding, Place, Severity, exit_code, unreadable
from queue_mover.observation.host import Host, read_host
from queue_mover.observation.host_findings import judge_host
from queue_mover.observation.repair import is_repairable
from queue_mover.observation.side_findings import INSTALL
from queue_mover.observation.source_findings import judge
from queue_mover.observation.topics import CONFIG, HOST_TOPICS, SOURCE_TOPICS

AT_ONCE = 8
"""Databases that are read at the same time; where there is a pooler, each takes two connections."""

UNUSABLE = "the config cannot be used"


class Result(Enum):
    """The result of a check; the values are part of the JSON shape."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One topic, of one source or of the process."""

    topic: str
    """Its key."""
    title: str
    source: str
    """Name of the source; empty: the process, or a file with one source."""
    result: Result
    note: str
    """What was found if nothing is wrong, or why it could not be checked."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """All checks of one run."""

    surroundings: tuple[Surroundings, ...]
    lines: tuple[CheckLine, ...]

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All findings."""
        return tuple(finding for line in self.lines for finding in line.findings)

    @property
    def exit_code(self) -> int:
        """As `findings.exit_code`."""
        return exit_code(self.findings)


def inspect(path: Path, settings: Settings | None, about_config: Sequence[Finding]) -> Inspection:
    """Check everything. Errors become findings; nothing is written.

    `path`: of the config, for remedies; `settings`: None if no source of it can be used;
    `about_config`: the findings about it.
    """
    found = _inspect(settings, about_config)
    return replace(found, lines=tuple(_pasteable(line, path) for line in found.lines))


def _inspect(settings: Settings | None, config: Sequence[Finding]) -> Inspection:
    if settings is None:
        return Inspection((), (_config_line(config), *_all_skipped()))
    host = read_host(settings)
    found = _read(settings.movers)
    judged = [
        [_with_fix(finding, each) for finding in _judge(each, error)] for each, error in found
    ]
    # A bad interval is an error of the config that only PostgreSQL can detect.
    about_config = [f for each in judged for f in each if f.code in CONFIG.codes]
    sides = [each for each, _ in found]
    lines = [_config_line([*config, *_named(about_config)])]
    for each, findings in zip(sides, judged, strict=True):
        lines += _source_lines(each, [f for f in findings if f.code not in CONFIG.codes])
    lines += _host_lines(host, judge_host(host))
    return Inspection(tuple(sides), tuple(lines))


Way = tuple[str, str, str, Flavour]
"""A side, its connect string, the queue there, its PgQ."""


def _read(movers: Sequence[MoverSettings]) -> list[tuple[Surroundings, dict[str, str]]]:
    """Each source with its environment, and by side why that could not be read."""
    statuses = sources.gather(movers)
    ways = [(_source_way(each.mover), _target_way(each.mover)) for each in statuses]
    # Many sources share their target.
    every = list(dict.fromkeys(way for pair in ways for way in pair))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        read = dict(zip(every, pool.map(_environment, every), strict=True))
    result = []
    for status, pair in zip(statuses, ways, strict=True):
        found = [read[way] for way in pair]
        source, target = (None if isinstance(each, str) else each for each in found)
        errors = {
            way[0]: each for way, each in zip(pair, found, strict=True) if isinstance(each, str)
        }
        result.append((Surroundings(status, source, target), errors))
    return result


def _source_way(mover: MoverSettings) -> Way:
    return ("source", mover.src_db, mover.route.queue, mover.route.source_flavour)


def _target_way(mover: MoverSettings) -> Way:
    return ("target", mover.dst_db, mover.route.target_queue, mover.route.target_flavour)


def _environment(way: Way) -> Environment | str:
    try:
        return read_environment(*way)
    except QueueMoverError as error:
        return str(error)


def _judge(found: Surroundings, errors: dict[str, str]) -> list[Finding]:
    """All findings about a source, without duplicates."""
    surrounding = judge_surroundings(found)
    known = {(finding.code, _side(finding)) for finding in surrounding}
    status = found.status
    place = Place("", status.name, status.mover.route.queue, status.mover.route.consumer)
    already = {"source": status.source_error, "target": status.target_error}
    unread = [
        unreadable(error, replace(place, side=side))
        for side, error in errors.items()
        if not already[side]
    ]
    plain = [f for f in judge(status) if (f.code, _side(f)) not in known]
    return _refused_once(
        [*unread, *(_before_start(finding, found) for finding in plain), *surrounding]
    )


def _refused_once(found: Sequence[Finding]) -> list[Finding]:
    """Turn what could not be read for lack of a privilege into findings about privileges; drop it
    if the missing ones are named anyway."""
    named = {_side(finding) for finding in found if finding.code is Code.PRIVILEGE_MISSING}
    refused = [f for f in found if f.code is Code.UNREADABLE and "permission denied" in f.text]
    return [
        replace(finding, code=Code.PRIVILEGE_MISSING) if finding in refused else finding
        for finding in found
        if finding not in refused or _side(finding) not in named
    ]


def _side(finding: Finding) -> str:
    return finding.place.side or "source"


def _before_start(finding: Finding, found: Surroundings) -> Finding:
    """A finding about a running mover, reworded for one that has yet to be started."""
    mover, status = found.status.mover, found.status
    if finding.code in (Code.CONSUMER_NOT_SEEN, Code.CONSUMER_LAGGING):
        return replace(finding, severity=Severity.WARNING)
    is_new = status.position is None and not status.left_behind and mover.policy.auto_register
    if finding.code is Code.CONSUMER_NOT_REGISTERED and is_new:
        return replace(
            finding,
            text=f'consumer "{mover.route.consumer}" is not registered yet: the first start'
            " registers it at the newest tick, and older events are not moved",
            severity=Severity.WARNING,
        )
    return finding


def _with_fix(finding: Finding, found: Surroundings) -> Finding:
    if not is_repairable(finding, found):
        return finding
    return replace(finding, remedy=f"queue_mover3 --check --fix CONFIG, or {finding.remedy}")


_OWN_COMMAND = re.compile(r"(queue_mover3(?: -[^,;]*?)?) CONFIG\b")


def _pasteable(line: CheckLine, path: Path) -> CheckLine:
    """A line whose remedies can be pasted: the commands name the file that was checked."""
    name = shlex.quote(str(path))

    def own(remedy: str) -> str:
        remedy = remedy.replace(INSTALL, f"pgqadm.py install --movers {name}")
        return _OWN_COMMAND.sub(lambda match: f"{match[1]} {name}", remedy)

    findings = (replace(finding, remedy=own(finding.remedy)) for finding in line.findings)
    return replace(line, findings=tuple(findings))


def _named(found: Iterable[Finding]) -> list[Finding]:
    return [
        replace(finding, text=f"[source:{finding.place.source}]: {finding.text}")
        for finding in found
    ]


def _config_line(found: Sequence[Finding]) -> CheckLine:
    return _line(CONFIG.key, CONFIG.title, "", found)


def _source_lines(found: Surroundings, findings: Sequence[Finding]) -> list[CheckLine]:
    name = found.status.mover.source
    rest, lines = list(findings), list[CheckLine]()
    for topic in SOURCE_TOPICS:
        mine = [finding for finding in rest if topic.covers(finding)]
        rest = [finding for finding in rest if finding not in mine]
        why = topics.missing(topic, found)
        if why and not mine:
            lines.append(CheckLine(topic.key, topic.title, name, Result.SKIPPED, why))
        else:
            lines.append(_line(topic.key, topic.title, name, mine, topic.facts(found)))
    if rest:
        lines.append(_line(topics.OTHER_KEY, topics.OTHER_TITLE, name, rest))
    return lines


def _host_lines(host: Host, findings: Sequence[Finding]) -> list[CheckLine]:
    return [
        _line(
            topic.key,
            topic.title,
            "",
            [finding for finding in findings if finding.code in topic.codes],
            topic.facts(host),
        )
        for topic in HOST_TOPICS
    ]


def _line(
    key: str, title: str, source: str, findings: Sequence[Finding], facts: str = ""
) -> CheckLine:
    if not findings:
        return CheckLine(key, title, source, Result.OK, facts)
    is_warning = all(finding.severity is Severity.WARNING for finding in findings)
    result = Result.WARNING if is_warning else Result.FAILURE
    return CheckLine(key, title, source, result, "", tuple(findings))


def _all_skipped() -> list[CheckLine]:
    titles = {topic.key: topic.title for topic in SOURCE_TOPICS}
    titles |= {topic.key: topic.title for topic in HOST_TOPICS}
    return [CheckLine(key, titles[key], "", Result.SKIPPED, UNUSABLE) for key in titles]
