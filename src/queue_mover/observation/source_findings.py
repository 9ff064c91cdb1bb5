"""What is wrong with the sources of a mover: pure functions over what `movers` has read."""

import math
import shlex
from dataclasses import replace

from queue_mover.observation.database import Quarantine
from queue_mover.observation.database_findings import (
    LagLimit,
    judge_consumer,
    judge_quarantine,
    judge_queue,
)
from queue_mover.observation.findings import Code, Finding, Place, Severity, unreadable
from queue_mover.observation.sources import SourceStatus


def judge(source: SourceStatus) -> list[Finding]:
    """What is wrong with a source, as a mover sees it."""
    route = source.mover.route
    place = Place("", source.name, route.queue, route.consumer)
    found = [unreadable(source.error, place)] if source.error else []
    if source.queue is None:
        return found or [
            Finding(
                Code.QUEUE,
                place,
                f'there is no queue "{route.queue}" on the source',
                f"pgqadm.py CONFIG create {route.queue}",
            )
        ]
    found += [
        replace(finding, place=place)
        for finding in judge_queue(source.queue, ())
        if finding.code in (Code.PAUSED, Code.EPOCH, Code.TICKER)
    ]
    found += _registration(source, place)
    if source.quarantined:
        since = source.quarantined_since or 0.0
        held = Quarantine(route.consumer, source.quarantined, since)
        found.append(replace(judge_quarantine(held), place=place))
    return found


def lag_limit(source: SourceStatus) -> LagLimit:
    """How long events of a source may wait: trouble_after, and what its mover waits on purpose."""
    limits = source.mover.limits
    allowance = source.keep_lag
    pending = source.consumer.pending if source.consumer else None
    is_collected = 0 < limits.min_events <= (pending or 0)
    if (limits.min_events or limits.min_interval) and not is_collected:
        # Without an interval it waits for its number of events for ever.
        allowance += source.min_interval if limits.min_interval else math.inf
    return LagLimit(source.mover.trouble_after, allowance)


def _registration(source: SourceStatus, place: Place) -> list[Finding]:
    if source.consumer is None:
        return [_unregistered(source, place)]
    late = judge_consumer(source.consumer, lag_limit(source))
    found = [_with_start(finding, source, place) for finding in late]
    if source.error or source.moving:
        return found
    if source.position is None and found:
        found.append(
            Finding(
                Code.UNPLACED,
                place,
                "the target holds no position for it: no batch has arrived, or it was reset",
                f"{_command(source)} moves what waits; compare both queues if it has moved"
                " events before",
                severity=Severity.WARNING,
            )
        )
    if not source.fits:
        consumer = source.consumer
        batch = f", batch up to {consumer.batch_end}" if consumer.batch is not None else ""
        found.append(
            Finding(
                Code.MISFIT,
                place,
                f"the target has tick {source.position}, the source is at tick"
                f" {consumer.last_tick}{batch}",
                f"{_command(source, '--rewind')} goes on from the target's position, --reset"
                " from the source's (repeating what the target has)",
            )
        )
    return found


def _with_start(finding: Finding, source: SourceStatus, place: Place) -> Finding:
    """The finding about any consumer, as one about this source."""
    if finding.code is Code.CONSUMER:
        remedy = f"start its mover: {_command(source, '-d')}; its log says why it ended"
        return replace(finding, place=place, remedy=remedy)
    return replace(finding, place=place)


def _unregistered(source: SourceStatus, place: Place) -> Finding:
    text = f'consumer "{place.consumer}" is not registered'
    if source.position is not None:
        return Finding(
            Code.UNREGISTERED,
            place,
            f"{text}, yet the target has its position, tick {source.position}",
            f"{_command(source, '--rewind')} goes on from there, --register starts anew from now",
        )
    if source.mover.policy.auto_register:
        return Finding(Code.UNREGISTERED, place, text, f"start it: {_command(source, '-d')}")
    return Finding(Code.UNREGISTERED, place, text, _command(source, "--register"))


def _command(source: SourceStatus, switch: str = "") -> str:
    # A daemon is one for all sources.
    name = source.mover.source if switch != "-d" else ""
    words = ("queue_mover3", switch, "CONFIG", f"--source {shlex.quote(name)}" if name else "")
    return " ".join(word for word in words if word)
