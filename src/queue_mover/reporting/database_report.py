"""The text of `pgqadm status` for a database: pure functions of its status and findings."""

from collections.abc import Sequence

from queue_mover.observation.database import Consumer, DatabaseStatus, Quarantine, Queue
from queue_mover.observation.findings import MARKS, REMEDY, Code, Finding, Place, marks
from queue_mover.observation.formatting import duration, number
from queue_mover.observation.overview import DatabaseView
from queue_mover.reporting.tables import columns

# Marks come last: scripts for Skytools 2 read the queue's name from the first column.
QUEUE_HEADER = ("Queue", "Rotation", "Ticker", "TLag", "EPS", "New", "")
CONSUMER_HEADER = ("Consumer", "Lag", "LastSeen", "Pending", "Tick", "")
VERSIONLESS = "of unknown version"
QUARANTINE_HEADER = ("Quarantined from", "Events", "Oldest", "")


def view_lines(view: DatabaseView) -> list[str]:
    """The report on a database, or why there is none."""
    if view.status is None:
        return [failure(view.findings)]
    return status_lines(view.status, view.findings)


def failure(found: Sequence[Finding]) -> str:
    """Why something could not be read, in one line."""
    return "; ".join(f"{finding.text}{REMEDY}{finding.remedy}" for finding in found)


def status_lines(status: DatabaseStatus, found: Sequence[Finding]) -> list[str]:
    """The whole report: versions, queues, consumers and findings."""
    lines = [_title(status), ""]
    if status.queues:
        lines += [*ruled(columns(_queue_rows(status.queues, found), "<<<>>><")), ""]
        lines += [*ruled(columns(_consumer_rows(status, found), "<>>>><")), ""]
    else:
        lines += ["No queues.", ""]
    if status.quarantined is None:
        remedy = f"GRANT {status.flavour.admin} TO this role"
        lines += [f"Quarantined events are not shown; remedy: {remedy}", ""]
    elif status.quarantined:
        rows = [QUARANTINE_HEADER, *map(_quarantine_row, status.quarantined)]
        lines += [*ruled(columns(rows, "<>><")), ""]
    return lines + _finding_lines(found)


def ruled(lines: list[str]) -> list[str]:
    """A table with a rule below its header."""
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _title(status: DatabaseStatus) -> str:
    standby = ", a standby" if status.is_standby else ""
    ext = f"pgq_ext {status.pgq_ext}" if status.pgq_ext else "no pgq_ext"
    ticked = f", ticked by {status.scheduler}" if status.scheduler else ""
    return (
        f'Database "{status.database}"{standby}: PostgreSQL {status.postgresql},'
        f" {status.flavour.name} {status.pgq or VERSIONLESS}{ticked}, {ext}"
    )


def _marks(found: Sequence[Finding], queue: str, consumer: str = "") -> str:
    return marks([f for f in found if (f.place.queue, f.place.consumer) == (queue, consumer)])


def _quarantine_row(held: Quarantine) -> tuple[str, ...]:
    mark = MARKS[Code.QUARANTINE]
    return (held.consumer, number(held.events), duration(held.since), mark)


def _queue_rows(queues: Sequence[Queue], found: Sequence[Finding]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [QUEUE_HEADER]
    for queue in queues:
        rotation = f"{queue.current_table + 1}/{queue.tables} {duration(queue.rotation_period)}"
        rows.append(
            (
                queue.name,
                rotation,
                _ticker(queue),
                duration(queue.since_tick),
                number(queue.events_per_second),
                number(queue.new_events),
                _marks(found, queue.name),
            )
        )
    return rows


def _ticker(queue: Queue) -> str:
    if queue.external_ticker:
        return "external"
    lag, idle = duration(queue.max_lag), duration(queue.idle_period)
    return f"{queue.max_count}/{lag}/{idle}"


def _consumer_rows(status: DatabaseStatus, found: Sequence[Finding]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [CONSUMER_HEADER]
    for queue in status.queues:
        rows.append((f"{queue.name}:",))
        own = [c for c in status.consumers if c.queue == queue.name]
        rows += [_consumer_row(c, _marks(found, c.queue, c.name)) for c in own]
        if not own:
            rows.append(("  no consumers",))
    return rows


def _consumer_row(consumer: Consumer, marks: str) -> tuple[str, ...]:
    return (
        f"  {consumer.name}",
        duration(consumer.lag),
        duration(consumer.since_seen),
        number(consumer.pending),
        number(consumer.last_tick),
        marks,
    )


def _finding_lines(found: Sequence[Finding]) -> list[str]:
    if not found:
        return ["No problems found."]
    lines = ["Problems:"]
    for finding in found:
        lines.append(f"  {finding.mark}  {_where(finding.place)}{finding.text}")
        lines.append(f"       remedy: {finding.remedy}")
    return lines


def _where(place: Place) -> str:
    words = "/".join(word for word in (place.queue, place.consumer) if word)
    return f"{words}: " if words else ""
