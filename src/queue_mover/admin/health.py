"""What is wrong with queues and consumers: pure functions over what `status` has read."""

from dataclasses import dataclass
from enum import Enum

from queue_mover.admin.status import Consumer, Queue, Status
from queue_mover.admin.tables import duration, literal
from queue_mover.server import TransactionIds

TICKER_GRACE = 10.0
"""Seconds that a tick may be late in any case."""

WAITING_GRACE = 30.0
"""The same when events wait: they may have come after a rest, just before the status."""

ROTATION_GRACE = 15 * 60.0
"""Seconds that a rotation may be late: maintenance runs every ten minutes at the rarest."""

UNSEEN = 10 * 60.0
"""Seconds after which a consumer that has work to do is missed."""

START_TICKER = "start pgqd, or pgqadm.py CONFIG ticker"


class Mark(Enum):
    """The letter that marks a line of the status, by what is wrong there."""

    TICKER = "T"
    EPOCH = "E"
    PAUSED = "P"
    INSERTS = "I"
    ROTATION = "R"
    CONSUMER = "C"
    POSITION = "X"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what to do about it."""

    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding with its place: a queue, or one of its consumers."""

    mark: Mark
    queue: str
    consumer: str | None
    """None: it concerns the queue itself."""
    text: str
    remedy: str


def problems(status: Status) -> tuple[Problem, ...]:
    """All that is wrong, queue by queue, consumers after their queue."""
    found: list[Problem] = []
    for queue in status.queues:
        own = tuple(c for c in status.consumers if c.queue == queue.name)
        found += judge_queue(queue, own)
        for consumer in own:
            found += judge_consumer(consumer, queue)
    return tuple(found)


def judge_queue(queue: Queue, consumers: tuple[Consumer, ...]) -> list[Problem]:
    """What is wrong with a queue, given its consumers."""
    verdicts = [
        (Mark.PAUSED, _paused(queue)),
        (Mark.EPOCH, _epoch(queue)),
        (Mark.TICKER, _ticker(queue)),
        (Mark.INSERTS, _inserts(queue)),
        (Mark.ROTATION, _rotation(queue, consumers)),
    ]
    return [Problem(m, queue.name, None, f.text, f.remedy) for m, f in verdicts if f]


def judge_consumer(consumer: Consumer, queue: Queue) -> list[Problem]:
    """What is wrong with a consumer of this queue."""
    verdicts = [
        (Mark.CONSUMER, _unseen(consumer, queue)),
        (Mark.POSITION, _position(consumer)),
    ]
    return [Problem(m, queue.name, consumer.name, f.text, f.remedy) for m, f in verdicts if f]


def _paused(queue: Queue) -> Finding | None:
    if not queue.ticker_paused:
        return None
    return Finding(
        "ticker paused: consumers get nothing new",
        f"SELECT pgq.set_queue_config({literal(queue.name)}, 'ticker_paused', 'false')",
    )


def _epoch(queue: Queue) -> Finding | None:
    ids = TransactionIds(queue.txid, queue.tick_txid)
    return Finding(ids.complaint, ids.remedy) if ids.behind else None


def _ticker(queue: Queue) -> Finding | None:
    if _epoch(queue):
        # No ticker could.
        return None
    if queue.ticker_paused or queue.external_ticker:
        return None
    if queue.since_tick is None:
        return Finding("never ticked", START_TICKER)
    idle = max(queue.idle_period, queue.max_lag)
    new = queue.new_events or 0
    if new > 0 and queue.since_tick > queue.max_lag + max(2 * queue.max_lag, WAITING_GRACE):
        due, waiting = queue.max_lag, " while events wait"
    elif queue.since_tick > max(2 * idle, idle + TICKER_GRACE):
        due, waiting = idle, ""
    else:
        return None
    late = f"no tick for {duration(queue.since_tick)}{waiting}, one was due after {duration(due)}"
    return Finding(late, START_TICKER)


def _inserts(queue: Queue) -> Finding | None:
    if not queue.inserts_disabled:
        return None
    return Finding(
        "inserts disabled",
        "UPDATE pgq.queue SET queue_disable_insert = false"
        f" WHERE queue_name = {literal(queue.name)}",
    )


def _rotation(queue: Queue, consumers: tuple[Consumer, ...]) -> Finding | None:
    """A queue that cannot rotate keeps every event, and grows until the disk is full."""
    if queue.half_rotated:
        if queue.since_rotation <= ROTATION_GRACE:
            return None
        return Finding(
            f"rotation half done for {duration(queue.since_rotation)}: no maintenance",
            START_TICKER,
        )
    late = queue.since_rotation - queue.rotation_period
    if late <= ROTATION_GRACE:
        return None
    return _late_rotation(f"rotation late by {duration(late)}", queue, consumers)


def _late_rotation(late: str, queue: Queue, consumers: tuple[Consumer, ...]) -> Finding:
    holders = [c.name for c in consumers if c.holds]
    if holders and queue.tick_holds:
        if queue.since_tick is None or queue.since_tick >= queue.since_rotation:
            return Finding(f"{late}: there has been no tick since the one before", START_TICKER)
        return Finding(
            f"{late}, held back by a transaction that is older than the one before",
            "look for an old xact_start in pg_stat_activity, or prepared in pg_prepared_xacts",
        )
    if holders:
        return Finding(
            f"{late}, held back by {', '.join(holders)}",
            "let it catch up, or unregister it",
        )
    return Finding(
        f"{late}: no maintenance, or the table to be emptied is locked",
        f"{START_TICKER}; look for pg_dump and the like in pg_stat_activity",
    )


def _unseen(consumer: Consumer, queue: Queue) -> Finding | None:
    """Silence is fine as long as there is nothing to do: a dead ticker silences everybody."""
    if consumer.since_seen <= UNSEEN or not _has_work(consumer, queue):
        return None
    waiting = f", {consumer.pending} events wait" if consumer.pending else ""
    return Finding(
        f"not seen for {duration(consumer.since_seen)}{waiting}",
        "start it, or unregister it where nobody needs it",
    )


def _has_work(consumer: Consumer, queue: Queue) -> bool:
    if consumer.batch is not None:
        return True
    if consumer.last_tick is None or queue.last_tick is None:
        return False
    return consumer.last_tick < queue.last_tick


def _position(consumer: Consumer) -> Finding | None:
    if consumer.last_tick is None or consumer.lag is not None:
        return None
    return Finding(
        f"its position, tick {consumer.last_tick}, is gone, and the queue cannot rotate",
        "unregister it, and register it anew",
    )
