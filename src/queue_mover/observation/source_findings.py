"""Findings about the sources of a mover: pure functions of `SourceStatus`."""

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

from queue_mover.observation.database import Quarantine
from queue_mover.observation.database_findings import (
    LagLimit,
    judge_consumer,
    judge_quarantine,
    judge_queue,
)
from queue_mover.observation.event_ids import event_id_findings
from queue_mover.observation.expression_findings import expression_findings
from queue_mover.observation.findings import Code, Finding, Place, Severity, unreadable
from queue_mover.observation.loops import loop_findings
from queue_mover.observation.position_findings import (
    foreign_finding,
    newcomer_findings,
    orphan_findings,
)
from queue_mover.observation.schema_findings import schema_findings
from queue_mover.observation.side_findings import (
    interval_findings,
    same_queue_finding,
    source_findings,
    target_findings,
)
from queue_mover.observation.sources import SourceStatus

Check = Callable[[SourceStatus], Sequence[Finding]]


def judge(status: SourceStatus) -> list[Finding]:
    """All findings about a source, each once."""
    route = status.mover.route
    place = Place("", status.name, route.queue, route.consumer)
    found = [
        replace(finding, place=replace(place, side=finding.place.side))
        for check in CHECKS
        for finding in check(status)
    ]
    return list({(finding.code, finding.text): finding for finding in found}.values())


def lag_limit(status: SourceStatus) -> LagLimit:
    """How long events of a source may wait: trouble_after, plus what its mover waits on purpose."""
    limits = status.mover.limits
    allowance = status.keep_lag
    pending = status.consumer.pending if status.consumer else None
    is_collected = 0 < limits.min_events <= (pending or 0)
    if (limits.min_events or limits.min_interval) and not is_collected:
        # Without an interval it may wait for its number of events for ever.
        allowance += status.min_interval if limits.min_interval else math.inf
    return LagLimit(status.mover.trouble_after, allowance)


def _errors(status: SourceStatus) -> list[Finding]:
    errors = {"source": status.source_error, "target": status.target_error}
    return [unreadable(error, Place(side=side)) for side, error in errors.items() if error]


def _sides(status: SourceStatus) -> list[Finding]:
    """What would prevent the mover from moving a batch."""
    route, policy = status.mover.route, status.mover.policy
    found = interval_findings(status.mover.limits, status.unusable_intervals)
    if status.source is not None:
        found += source_findings(status.source, route)
    if status.target is not None:
        found += target_findings(status.target, route, policy)
    found += expression_findings(status.unusable_expressions)
    found += loop_findings(route, status.ways_back)
    same = same_queue_finding(route, same_database=status.same_database)
    return [*found, same] if same else found


def _queue(status: SourceStatus) -> list[Finding]:
    if status.queue is None:
        return []
    found = judge_queue(status.queue, (), status.mover.route.source_flavour)
    return [each for each in found if each.code in (Code.TICKER_PAUSED, Code.TICKER)]


def _registration(status: SourceStatus) -> list[Finding]:
    """Whether the consumer is registered; if not, what its mover would do about it."""
    if status.queue is None or status.consumer is not None:
        return []
    route, policy = status.mover.route, status.mover.policy
    identity = status.source.identity if status.source else ""

    def command(switch: str) -> str:
        return _command(status, switch)

    found = orphan_findings(route, status.position, identity, command)
    if found or not policy.auto_register or status.left_behind:
        return found or newcomer_findings(route, policy, status.left_behind, command)
    text = f'consumer "{route.consumer}" is not registered'
    remedy = f"start it: {_command(status, '-d')}"
    return [Finding(Code.CONSUMER_NOT_REGISTERED, Place(), text, remedy)]


def _progress(status: SourceStatus) -> list[Finding]:
    if status.consumer is None:
        return []
    found = judge_consumer(status.consumer, lag_limit(status))
    late = [_with_start(finding, status) for finding in found]
    if not status.readable or status.moving:
        return late
    if status.position is None and late and _knows_position(status):
        late.append(
            Finding(
                Code.TARGET_POSITION_MISSING,
                Place(),
                "the target has no position for it: no batch has arrived, or it was reset",
                f"{_command(status)} moves what is waiting; compare both queues first if it"
                " has moved events before",
                severity=Severity.WARNING,
            )
        )
    return [*late, *_fit(status)]


def _knows_position(status: SourceStatus) -> bool:
    return status.target is None or status.target.has_pgq_ext


def _fit(status: SourceStatus) -> list[Finding]:
    """Whether the position matches an end of the source's batch."""
    identity = status.source.identity if status.source else ""
    if foreign := foreign_finding(status.mover.route, status.position, identity):
        return [foreign]
    consumer, position = status.consumer, status.position
    if status.fits or consumer is None or position is None:
        return []
    batch = f", batch up to {consumer.batch_end}" if consumer.batch is not None else ""
    return [
        Finding(
            Code.TICKS_DO_NOT_FIT,
            Place(),
            f"the target has tick {position.tick}, the source is at tick"
            f" {consumer.last_tick}{batch}",
            f"{_command(status, '--rewind')} resumes from the target's position, --reset"
            " from the source's (repeating what the target already has)",
        )
    ]


def _left_behind(status: SourceStatus) -> list[Finding]:
    """Consumers that nobody runs, beside a registered one: they hold back the rotation."""
    if status.consumer is None:
        return []
    limit = status.mover.trouble_after
    return [
        Finding(
            Code.CONSUMER_LEFT_BEHIND,
            Place(),
            f'consumer "{name}" was left behind at tick {position.tick}, with'
            f" {registration.waiting} events waiting",
            _command(status, f"--consumer {shlex.quote(name)} --unregister")
            + ", unless another mover runs it",
            registration.since_seen,
            Severity.WARNING,
        )
        for name, (registration, position) in status.left_behind.items()
        if registration and registration.waiting and registration.since_seen > limit
    ]


def _event_ids(status: SourceStatus) -> list[Finding]:
    if status.event_ids is None:
        return []
    return event_id_findings(status.event_ids, status.mover.route)


def _quarantine(status: SourceStatus) -> list[Finding]:
    if not status.quarantined:
        return []
    route, since = status.mover.route, status.quarantined_since or 0.0
    held = Quarantine(route.consumer, status.quarantined, since)
    return [judge_quarantine(held, route.target_flavour)]


def _schemas(status: SourceStatus) -> Sequence[Finding]:
    return schema_findings(status.target, status.mover.route) if status.target else ()


def _with_start(finding: Finding, status: SourceStatus) -> Finding:
    """A finding about any consumer, with the remedy for this source."""
    if finding.code is Code.CONSUMER_NOT_SEEN:
        remedy = f"start its mover: {_command(status, '-d')}; its log shows why it ended"
        return replace(finding, remedy=remedy)
    return finding


def _command(status: SourceStatus, switch: str = "") -> str:
    # One daemon runs all sources.
    name = status.mover.source if switch != "-d" else ""
    words = ("queue_mover3", switch, "CONFIG", f"--source {shlex.quote(name)}" if name else "")
    return " ".join(word for word in words if word)


CHECKS: tuple[Check, ...] = (
    _errors,
    _sides,
    _queue,
    _registration,
    _progress,
    _left_behind,
    _event_ids,
    _quarantine,
    _schemas,
)
"""A check added here appears in the tables, the JSON and the exit code. One that must prevent a
mover from starting belongs in `side_findings`."""
