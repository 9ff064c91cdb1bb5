"""The text of `pgqadm status`: pure functions from what was read, and judged, to lines."""

from collections.abc import Sequence

from queue_mover.admin.health import Problem, problems
from queue_mover.admin.status import Consumer, Queue, Status
from queue_mover.admin.tables import columns, duration, number

QUEUE_HEADER = ("", "Queue", "Rotation", "Ticker", "TLag", "EPS", "New")
CONSUMER_HEADER = ("", "Consumer", "Lag", "LastSeen", "Pending", "Tick")


def status_lines(status: Status) -> list[str]:
    """The whole report: versions, queues, consumers, and what is wrong with them."""
    found = problems(status)
    lines = [_title(status), ""]
    if not status.queues:
        return [*lines, "No queues."]
    lines += _ruled(columns(_queue_rows(status.queues, found), "<<<<>>>"))
    lines.append("")
    lines += _ruled(columns(_consumer_rows(status, found), "<<>>>>"))
    lines.append("")
    return lines + _problem_lines(found)


def _title(status: Status) -> str:
    standby = ", a standby" if status.is_standby else ""
    ext = f"pgq_ext {status.pgq_ext}" if status.pgq_ext else "no pgq_ext"
    return (
        f'Database "{status.database}"{standby}:'
        f" PostgreSQL {status.postgresql}, PgQ {status.pgq}, {ext}"
    )


def _ruled(lines: list[str]) -> list[str]:
    """The header set off by a line as long as the table is wide."""
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _marks(found: Sequence[Problem], queue: str, consumer: str | None) -> str:
    return "".join(p.mark.value for p in found if p.queue == queue and p.consumer == consumer)


def _queue_rows(queues: Sequence[Queue], found: Sequence[Problem]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [QUEUE_HEADER]
    for queue in queues:
        rotation = f"{queue.current_table + 1}/{queue.tables} {duration(queue.rotation_period)}"
        rows.append(
            (
                _marks(found, queue.name, None),
                queue.name,
                rotation,
                _ticker(queue),
                duration(queue.since_tick),
                number(queue.events_per_second),
                number(queue.new_events),
            )
        )
    return rows


def _ticker(queue: Queue) -> str:
    if queue.external_ticker:
        return "external"
    lag, idle = duration(queue.max_lag), duration(queue.idle_period)
    return f"{queue.max_count}/{lag}/{idle}"


def _consumer_rows(status: Status, found: Sequence[Problem]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [CONSUMER_HEADER]
    for queue in status.queues:
        rows.append(("", f"{queue.name}:"))
        own = [c for c in status.consumers if c.queue == queue.name]
        rows += [_consumer_row(c, _marks(found, c.queue, c.name)) for c in own]
        if not own:
            rows.append(("", "  no consumers"))
    return rows


def _consumer_row(consumer: Consumer, marks: str) -> tuple[str, ...]:
    return (
        marks,
        f"  {consumer.name}",
        duration(consumer.lag),
        duration(consumer.since_seen),
        number(consumer.pending),
        number(consumer.last_tick),
    )


def _problem_lines(found: Sequence[Problem]) -> list[str]:
    if not found:
        return ["Nothing is wrong."]
    lines = ["What is wrong:"]
    for problem in found:
        where = f"{problem.queue}/{problem.consumer}" if problem.consumer else problem.queue
        lines.append(f"  {problem.mark.value}  {where}: {problem.text}")
        lines.append(f"       remedy: {problem.remedy}")
    return lines
