"""What is wrong with the sources of a mover: pure functions over what `movers` has read."""

import math
import shlex
from dataclasses import replace

from queue_mover.observation.database import Quarantine
from queue_mover.observation.database_findings import (
    Patience,
    judge_consumer,
    judge_quarantine,
    judge_queue,
)
from queue_mover.observation.findings import Code, Finding, Place, Severity, unreadable
from queue_mover.observation.sources import Standing


def judge(standing: Standing) -> list[Finding]:
    """What is wrong with a source, as a mover sees it."""
    route = standing.mover.route
    place = Place("", standing.name, route.queue, route.consumer)
    found = [unreadable(standing.unread, place)] if standing.unread else []
    if standing.queue is None:
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
        for finding in judge_queue(standing.queue, ())
        if finding.code in (Code.PAUSED, Code.EPOCH, Code.TICKER)
    ]
    found += _registration(standing, place)
    if standing.quarantined:
        since = standing.quarantined_since or 0.0
        held = Quarantine(route.consumer, standing.quarantined, since)
        found.append(replace(judge_quarantine(held), place=place))
    return found


def patience(standing: Standing) -> Patience:
    """How long events of a source may wait: trouble_after, and what its mover waits on purpose."""
    limits = standing.mover.limits
    allowance = standing.keep_lag
    pending = standing.consumer.pending if standing.consumer else None
    is_collected = 0 < limits.min_events <= (pending or 0)
    if (limits.min_events or limits.min_interval) and not is_collected:
        # Without an interval it waits for its number of events for ever.
        allowance += standing.min_interval if limits.min_interval else math.inf
    return Patience(standing.mover.trouble_after, allowance)


def _registration(standing: Standing, place: Place) -> list[Finding]:
    if standing.consumer is None:
        return [_unregistered(standing, place)]
    late = judge_consumer(standing.consumer, patience(standing))
    found = [_with_start(finding, standing, place) for finding in late]
    if standing.unread or standing.moving:
        return found
    if standing.position is None and found:
        found.append(
            Finding(
                Code.UNPLACED,
                place,
                "the target holds no position for it: no batch has arrived, or it was reset",
                f"{_command(standing)} moves what waits; compare both queues if it has moved"
                " events before",
                severity=Severity.WARNING,
            )
        )
    if not standing.fits:
        consumer = standing.consumer
        batch = f", batch up to {consumer.batch_end}" if consumer.batch is not None else ""
        found.append(
            Finding(
                Code.MISFIT,
                place,
                f"the target has tick {standing.position}, the source is at tick"
                f" {consumer.last_tick}{batch}",
                f"{_command(standing, '--rewind')} goes on from the target's position, --reset"
                " from the source's (repeating what the target has)",
            )
        )
    return found


def _with_start(finding: Finding, standing: Standing, place: Place) -> Finding:
    """The finding about any consumer, as one about this source."""
    if finding.code is Code.CONSUMER:
        remedy = f"start its mover: {_command(standing, '-d')}; its log says why it ended"
        return replace(finding, place=place, remedy=remedy)
    return replace(finding, place=place)


def _unregistered(standing: Standing, place: Place) -> Finding:
    text = f'consumer "{place.consumer}" is not registered'
    if standing.position is not None:
        return Finding(
            Code.UNREGISTERED,
            place,
            f"{text}, yet the target has its position, tick {standing.position}",
            f"{_command(standing, '--rewind')} goes on from there, --register starts anew from now",
        )
    if standing.mover.policy.auto_register:
        return Finding(Code.UNREGISTERED, place, text, f"start it: {_command(standing, '-d')}")
    return Finding(Code.UNREGISTERED, place, text, _command(standing, "--register"))


def _command(standing: Standing, switch: str = "") -> str:
    # A daemon is one for all sources.
    source = standing.mover.source if switch != "-d" else ""
    words = ("queue_mover3", switch, "CONFIG", f"--source {shlex.quote(source)}" if source else "")
    return " ".join(word for word in words if word)
