"""The text of `pgqadm status --movers`: one table of all sources in a mover's config."""

from collections.abc import Sequence

from queue_mover.observation.activity import State
from queue_mover.observation.findings import REMEDY, Finding, Severity, marks
from queue_mover.observation.formatting import counted, duration, number
from queue_mover.observation.overview import SourceView
from queue_mover.observation.sources import SourceStatus
from queue_mover.observation.target_queues import TargetQueue
from queue_mover.reporting import target_report, trouble_report
from queue_mover.reporting.database_report import ruled
from queue_mover.reporting.tables import columns, listed

HEADER = ("Source", "Queue", "Consumer", "State", "Lag", "LastSeen", "Pending", "New", "EPS",
          "Batch", "Tick", "Target", "Quarantined", "")  # fmt: skip


def lines(sources: Sequence[SourceView], targets: Sequence[TargetQueue] = ()) -> list[str]:
    """The table, where it is slow, the last errors, the consumers of the targets, a line for
    each finding, and a summary."""
    rows = [_row(view.source, view.findings) for view in sources]
    table = ruled(columns([HEADER, *rows], "<<<<>>>>>>>>><"))
    below = [*trouble_report.lines(sources), *target_report.lines(targets)]
    return [*table, "", *below, *_finding_lines(sources), _summary(sources)]


def _finding_lines(sources: Sequence[SourceView]) -> list[str]:
    """One line for what sources have in common, such as a target that is down."""
    sources_of: dict[tuple[str, str], list[str]] = {}
    for view in sources:
        for finding in view.findings:
            text = f"{finding.text}{REMEDY}{finding.remedy}"
            sources_of.setdefault((finding.mark, text), []).append(view.source.name)
    return [f"  {mark}  {listed(names)}: {text}" for (mark, text), names in sources_of.items()]


def is_trouble(found: Sequence[Finding]) -> bool:
    """Whether these findings count as trouble, as `in_trouble` in the JSON."""
    return any(finding.severity is not Severity.WARNING for finding in found)


def _row(source: SourceStatus, found: Sequence[Finding]) -> tuple[str, ...]:
    route, queue, consumer = source.mover.route, source.queue, source.consumer
    return (
        source.name,
        route.queue,
        route.consumer,
        _state(source),
        duration(consumer.lag if consumer else None),
        duration(consumer.since_seen if consumer else None),
        number(consumer.pending if consumer else None),
        number(queue.new_events if queue else None),
        number(source.activity.events_per_second),
        duration(source.batch_since),
        number(consumer.last_tick if consumer else None),
        number(source.position.tick if source.position else None),
        number(source.quarantined),
        marks(found),
    )


def _state(source: SourceStatus) -> str:
    activity = source.activity
    state = activity.state(readable=source.readable)
    if state in (State.HERE, State.STANDBY) and activity.process:
        return f"{'here' if state is State.HERE else 'standby'} {activity.process.pid}"
    if state is State.ELSEWHERE:
        return f"at {activity.others[0].address or 'another host'}"
    return {State.RETRYING: "retrying", State.STOPPED: "stopped"}.get(state, "?")


def _summary(sources: Sequence[SourceView]) -> str:
    statuses = [view.source for view in sources]
    waiting = sum(
        ((s.consumer and s.consumer.pending) or 0) + ((s.queue and s.queue.new_events) or 0)
        for s in statuses
    )
    quarantined = sum(s.quarantined or 0 for s in statuses)
    aside = f", {quarantined} in quarantine" if quarantined else ""
    in_trouble = sum(is_trouble(view.findings) for view in sources)
    return (
        f"{counted(len(sources), 'source')}, {counted(waiting, 'event')} waiting{aside},"
        f" {in_trouble} in trouble."
    )
