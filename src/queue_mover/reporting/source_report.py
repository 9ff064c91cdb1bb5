"""The text of `pgqadm status --movers`: one table of all sources in a mover's config."""

from collections.abc import Sequence

from queue_mover.observation.findings import REMEDY, Finding, Severity, marks
from queue_mover.observation.formatting import counted, duration, number
from queue_mover.observation.overview import SourceView
from queue_mover.observation.sources import SourceStatus
from queue_mover.reporting.database_report import ruled
from queue_mover.reporting.tables import columns

HEADER = ("Source", "Queue", "Consumer", "Lag", "LastSeen", "Pending", "New", "Tick", "Target",
          "Quarantined", "")  # fmt: skip


def lines(sources: Sequence[SourceView]) -> list[str]:
    """The table, a line for each finding, and a summary."""
    rows = [_row(view.source, view.findings) for view in sources]
    finding_lines = [
        f"  {finding.mark}  {view.source.name}: {finding.text}{REMEDY}{finding.remedy}"
        for view in sources
        for finding in view.findings
    ]
    table = ruled(columns([HEADER, *rows], "<<<>>>>>>><"))
    return [*table, "", *finding_lines, _summary(sources)]


def is_trouble(found: Sequence[Finding]) -> bool:
    """Whether a source with these findings counts as one in trouble."""
    return any(finding.severity is not Severity.WARNING for finding in found)


def _row(source: SourceStatus, found: Sequence[Finding]) -> tuple[str, ...]:
    route, queue, consumer = source.mover.route, source.queue, source.consumer
    return (
        source.name,
        route.queue,
        route.consumer,
        duration(consumer.lag if consumer else None),
        duration(consumer.since_seen if consumer else None),
        number(consumer.pending if consumer else None),
        number(queue.new_events if queue else None),
        number(consumer.last_tick if consumer else None),
        number(source.position.tick if source.position else None),
        number(source.quarantined),
        marks(found),
    )


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
