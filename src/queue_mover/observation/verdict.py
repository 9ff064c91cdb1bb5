"""Where a source is slow: a pure function over what was read of both sides."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from queue_mover.observation.activity import Session, State
from queue_mover.observation.database import Consumer
from queue_mover.observation.database_findings import judge_queue
from queue_mover.observation.findings import Code, Finding, Severity
from queue_mover.observation.formatting import counted, duration, number
from queue_mover.observation.source_findings import lag_limit
from queue_mover.observation.sources import SourceStatus
from queue_mover.observation.target_queues import TargetQueue

BEHIND = 10.0
"""Seconds that a tick may wait for a mover, beyond what the mover waits on purpose."""

READER_BEHIND = 60.0
"""Seconds that a tick may wait for a consumer of the target queue: not all of them run all the
time."""


class Cause(Enum):
    """Where it is slow; the values are part of the JSON shape."""

    TICKER = "ticker"
    MOVER = "mover"
    TARGET = "target"
    READER = "reader"
    NOTHING = "nothing"
    UNKNOWN = "unknown"
    """The source cannot be read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where it is slow, why, and the remedy."""

    cause: Cause
    text: str
    remedy: str = ""


NOTHING = Verdict(Cause.NOTHING, "nothing is slow")

TICKER_CODES = (Code.TICKER, Code.TICKER_PAUSED, Code.TRANSACTION_IDS_BEHIND)
MOVER_CODES = (
    Code.CONSUMER_NOT_REGISTERED,
    Code.TICKS_DO_NOT_FIT,
    Code.POSITION_OF_ANOTHER_SOURCE,
    Code.POSITION_GONE,
    Code.MOVED_INTO_ITSELF,
    Code.INTERVAL_NOT_USABLE,
    Code.EXPRESSION_NOT_USABLE,
    Code.IDENTITY_NOT_READABLE,
)
SIDE_CODES = (
    Code.QUEUE_MISSING,
    Code.STANDBY,
    Code.READ_ONLY,
    Code.NOT_INSTALLED,
    Code.PRIVILEGE_MISSING,
    Code.INSERTS_DISABLED,
    Code.TRANSACTION_IDS_BEHIND,
)
"""Findings that stop a mover on either side; their texts name the side."""

Rule = Callable[[SourceStatus, Sequence[Finding], TargetQueue | None], Verdict | None]


def verdict(
    source: SourceStatus, found: Sequence[Finding], target: TargetQueue | None = None
) -> Verdict:
    """Where a source is slow, the first cause in the order that events travel.

    `found`: what is wrong with the source; `target`: its target queue, as far as known.
    """
    return next((each for rule in RULES if (each := rule(source, found, target))), NOTHING)


def _unreadable(source: SourceStatus, found: Sequence[Finding], _: object) -> Verdict | None:
    unread = [each for each in found if each.severity is Severity.UNKNOWN]
    if source.source_error:
        cause = Cause.UNKNOWN
    elif source.target_error:
        cause = Cause.TARGET
    else:
        return None
    return Verdict(cause, unread[0].text, unread[0].remedy) if unread else None


def _stopped(source: SourceStatus, found: Sequence[Finding], _: object) -> Verdict | None:
    """What stops all events, and has a finding."""
    for each in found:
        is_target = each.text.startswith("target database")
        if each.code in TICKER_CODES and not is_target:
            return Verdict(Cause.TICKER, f"source queue: {each.text}", each.remedy)
        if each.code in SIDE_CODES:
            cause = Cause.TARGET if is_target else Cause.MOVER
            return Verdict(cause, each.text, each.remedy)
        if each.code in MOVER_CODES:
            return Verdict(Cause.MOVER, each.text, each.remedy)
    return None


def _failing(source: SourceStatus, _: object, __: object) -> Verdict | None:
    error = source.activity.failing
    if error is None or not waiting_events(source):
        return None
    cause = Cause.TARGET if error.message.startswith("target database") else Cause.MOVER
    text, _, remedy = error.message.partition("; remedy: ")
    where = f"{error.host}, pid {error.pid}"
    return Verdict(
        cause,
        f"failing for {duration(error.began)} ({where}): {text}",
        remedy or f"see the mover's log on {error.host}",
    )


def _absent(source: SourceStatus, _: object, __: object) -> Verdict | None:
    if source.activity.state(readable=source.readable) is not State.STOPPED:
        return None
    waiting = waiting_events(source)
    if not waiting:
        return None
    return Verdict(
        Cause.MOVER,
        f"not running, {counted(waiting, 'event')} waiting",
        "start it: queue_mover3 -d CONFIG; its log shows why it ended",
    )


def _moving(source: SourceStatus, _: object, __: object) -> Verdict | None:
    """A mover that runs, and is behind."""
    waiting = _waiting(source)
    if waiting is None or waiting <= BEHIND + lag_limit(source).allowance:
        return None
    holder = source.activity.holder
    if holder is None:
        return _without_batch(source, waiting)
    batch = f"a batch has been in progress for {duration(holder.since)}"
    if not holder.waits_for_client:
        return _by_target(source, holder, batch)
    busy = [each for each in source.activity.source if not each.waits_for_client]
    if busy:
        return Verdict(
            Cause.MOVER,
            f"{batch}; it waits for the source: {busy[0].words} {_occupation(busy[0])}",
            "check load and disks of the source, and VACUUM of its event tables",
        )
    return Verdict(
        Cause.MOVER,
        f"{batch}; both servers wait for {holder.words}",
        "check the load of its host, and the network between it and the servers",
    )


def _by_target(source: SourceStatus, session: Session, batch: str) -> Verdict:
    if session.blocked_by:
        return _blocked(source, session, batch)
    return Verdict(
        Cause.TARGET,
        f"{batch}; its session on the target, {session.words}, {_occupation(session)}",
        "check load, disks, triggers and synchronous standbys of the target",
    )


def _blocked(source: SourceStatus, session: Session, batch: str) -> Verdict:
    known = {each.pid: each for each in source.activity.blockers}
    blockers = [
        f"{known[pid].words}, {known[pid].state or 'state hidden'} for {duration(known[pid].since)}"
        if pid in known
        else "a prepared transaction"
        for pid in session.blocked_by
    ]
    first = next((pid for pid in session.blocked_by if pid in known), None)
    remedy = "select * from pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK PREPARED"
    if first is not None:
        remedy = f"end that transaction, or on the target: select pg_terminate_backend({first})"
    return Verdict(Cause.TARGET, f"{batch}, blocked on the target by {'; '.join(blockers)}", remedy)


def _occupation(session: Session) -> str:
    if session.wait_type:
        return f"waits for {session.wait_type}: {session.wait}"
    return "is active without a wait event"


def _without_batch(source: SourceStatus, waiting: float) -> Verdict:
    consumer, activity = source.consumer, source.activity
    pending = (consumer.pending if consumer else None) or 0
    is_moving = activity.since_batch is not None and activity.since_batch <= BEHIND
    speed = f", moving {number(activity.events_per_second)} events a second" if is_moving else ""
    behind = f"{counted(pending, 'event')} behind, the oldest waiting for {duration(waiting)}"
    if activity.process and not activity.source:
        return Verdict(
            Cause.MOVER,
            f"{behind}; process {activity.process.pid} runs, without a session on the source",
            "see its log; with --source it may run other sources only",
        )
    if consumer and consumer.batch is not None and not is_moving:
        taken = f"a batch, taken {duration(consumer.since_seen)} ago, waits for a connection"
        if activity.busy:
            return _by_target(source, activity.busy, taken)
        return Verdict(
            Cause.MOVER,
            f"{behind}; its batch, taken {duration(consumer.since_seen)} ago, has not reached the"
            " target",
            "see its log; where many sources share a target, raise dst_connections",
        )
    return Verdict(
        Cause.MOVER,
        behind + speed,
        "wait until it has caught up" if is_moving else "see its log",
    )


def _reading(_: object, __: object, target: TargetQueue | None) -> Verdict | None:
    """Events reach the target, but one of its consumers is behind."""
    if target is None or target.queue is None:
        return None
    for each in judge_queue(target.queue, (), target.flavour):
        if each.code in TICKER_CODES:
            text = f'target queue "{target.name}": {each.text}'
            return Verdict(Cause.TICKER, text, each.remedy)
    late = [each for each in target.consumers if (each.waiting or 0) > READER_BEHIND]
    if not late:
        return None
    slowest = max(late, key=lambda each: each.waiting or 0)
    pending = counted(slowest.pending or 0, "event")
    text = f'consumer "{slowest.name}" of target queue "{target.name}"'
    if slowest.since_seen > READER_BEHIND:
        return Verdict(
            Cause.READER,
            f"{text} has not read for {duration(slowest.since_seen)}, {pending} waiting",
            "start it; if it is no longer needed: pgqadm.py CONFIG unregister"
            f" {shlex.quote(target.name)} {shlex.quote(slowest.name)}",
        )
    return Verdict(
        Cause.READER,
        f"{text} is {pending} behind, the oldest waiting for {duration(slowest.waiting)}",
        "see its log, and the load of whatever it writes to",
    )


def _waiting(source: SourceStatus) -> float | None:
    consumer: Consumer | None = source.consumer
    return consumer.waiting if consumer and consumer.pending else None


def waiting_events(source: SourceStatus) -> int:
    """How many events wait for a source's mover, with a tick or without."""
    pending = (source.consumer.pending if source.consumer else None) or 0
    return pending + ((source.queue.new_events if source.queue else None) or 0)


RULES: tuple[Rule, ...] = (_unreadable, _stopped, _failing, _absent, _moving, _reading)
