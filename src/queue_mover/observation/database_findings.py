"""Findings about a database, its queues and consumers: pure functions of `DatabaseStatus`."""

from dataclasses import dataclass

from queue_mover.model import PGQ, PGQUE, Flavour
from queue_mover.observation.database import Consumer, DatabaseStatus, Quarantine, Queue
from queue_mover.observation.findings import Code, Finding, Place, Severity
from queue_mover.observation.formatting import counted, duration
from queue_mover.pgq.server import TransactionIds
from queue_mover.postgres.statements import quote_literal

TICKER_GRACE = 10.0
"""Seconds that any tick may be late."""

WAITING_GRACE = 30.0
"""The same while events are waiting: after an idle time they may have just been inserted."""

ROTATION_GRACE = 15 * 60.0
"""Seconds that a rotation may be late: maintenance runs at least every ten minutes."""

START_TICKER = "start pgqd, or pgqadm.py CONFIG ticker"
START_PGQUE = "start pgqadm.py CONFIG ticker, or with pg_cron SELECT pgque.start()"
"""pgqd ticks PgQ only."""


@dataclass(frozen=True, slots=True)
class LagLimit:
    """How long ticks may wait for a consumer, in seconds."""

    trouble_after: float
    allowance: float = 0.0
    """How long it leaves them waiting on purpose; added to the limit."""

    @property
    def waiting(self) -> float:
        """The total time that a tick may wait."""
        return self.trouble_after + self.allowance


def problems(
    status: DatabaseStatus, trouble_after: float, flavour: Flavour = PGQ
) -> tuple[Finding, ...]:
    """All findings: of the database, then of each queue and its consumers."""
    found = [finding for finding in (_version(status, flavour),) if finding]
    limit = LagLimit(trouble_after)
    for queue in status.queues:
        own = tuple(c for c in status.consumers if c.queue == queue.name)
        found += judge_queue(queue, own, flavour)
        for consumer in own:
            found += judge_consumer(consumer, limit)
    found += [judge_quarantine(held, flavour) for held in status.quarantined or ()]
    return tuple(found)


def judge_queue(
    queue: Queue, consumers: tuple[Consumer, ...], flavour: Flavour = PGQ
) -> list[Finding]:
    """What is wrong with a queue, given its consumers."""
    verdicts = (
        _paused(queue, flavour),
        _epoch(queue),
        _ticker(queue, flavour),
        _inserts(queue, flavour),
        _rotation(queue, consumers, flavour),
    )
    return [finding for finding in verdicts if finding]


def judge_consumer(consumer: Consumer, limit: LagLimit) -> list[Finding]:
    """What is wrong with a consumer."""
    return [finding for finding in (_late(consumer, limit), _position(consumer)) if finding]


def judge_quarantine(held: Quarantine, flavour: Flavour = PGQ) -> Finding:
    """Quarantined events, which consumers of the target queue lack."""
    return Finding(
        Code.QUARANTINE,
        Place(consumer=held.consumer),
        f"{counted(held.events, 'event')} in quarantine",
        "SELECT * FROM queue_mover.quarantine WHERE consumer = "
        f"{quote_literal(held.consumer)}; re-insert what can be repaired with"
        f" {flavour.schema}.insert_event, then DELETE the rows",
        held.since,
        Severity.WARNING,
    )


def _version(status: DatabaseStatus, flavour: Flavour) -> Finding | None:
    if status.pgq is not None:
        return None
    return Finding(
        Code.PGQ_VERSION,
        Place(),
        f"{flavour.schema}.version() returns NULL, so pgqd ignores this database",
        "pgqadm.py CONFIG install",
        severity=Severity.WARNING,
    )


def _paused(queue: Queue, flavour: Flavour) -> Finding | None:
    if not queue.ticker_paused:
        return None
    return Finding(
        Code.TICKER_PAUSED,
        Place(queue=queue.name),
        "ticker paused: consumers get no new events",
        f"SELECT {flavour.schema}.set_queue_config({quote_literal(queue.name)},"
        " 'ticker_paused', 'false')",
    )


def _epoch(queue: Queue) -> Finding | None:
    ids = TransactionIds(queue.txid, queue.tick_txid)
    if not ids.behind:
        return None
    return Finding(Code.TRANSACTION_IDS_BEHIND, Place(queue=queue.name), ids.problem, ids.remedy)


def start_ticker(flavour: Flavour) -> str:
    """What to do where nothing ticks."""
    return START_PGQUE if flavour == PGQUE else START_TICKER


def _ticker(queue: Queue, flavour: Flavour) -> Finding | None:
    if _epoch(queue):
        # No ticker could tick.
        return None
    if queue.ticker_paused or queue.external_ticker:
        return None
    place = Place(queue=queue.name)
    if queue.since_tick is None:
        return Finding(Code.TICKER, place, "never ticked", start_ticker(flavour))
    idle = max(queue.idle_period, queue.max_lag)
    new = queue.new_events or 0
    if new > 0 and queue.since_tick > queue.max_lag + max(2 * queue.max_lag, WAITING_GRACE):
        due, waiting = queue.max_lag, " while events wait"
    elif queue.since_tick > max(2 * idle, idle + TICKER_GRACE):
        due, waiting = idle, ""
    else:
        return None
    late = f"no tick for {duration(queue.since_tick)}{waiting}, one was due after {duration(due)}"
    return Finding(Code.TICKER, place, late, start_ticker(flavour), queue.since_tick)


def _inserts(queue: Queue, flavour: Flavour) -> Finding | None:
    if not queue.inserts_disabled:
        return None
    return Finding(
        Code.INSERTS_DISABLED,
        Place(queue=queue.name),
        "inserts disabled",
        enable_inserts(queue.name, flavour),
    )


def enable_inserts(queue: str, flavour: Flavour) -> str:
    """The statement that enables inserts into a queue."""
    return (
        f"UPDATE {flavour.schema}.queue SET queue_disable_insert = false"
        f" WHERE queue_name = {quote_literal(queue)}"
    )


def _rotation(queue: Queue, consumers: tuple[Consumer, ...], flavour: Flavour) -> Finding | None:
    """A queue that does not rotate keeps all events, until the disk is full."""
    late = queue.since_rotation - (0 if queue.half_rotated else queue.rotation_period)
    if late <= ROTATION_GRACE:
        return None
    start = start_ticker(flavour)
    if queue.half_rotated:
        text, remedy = f"rotation incomplete for {duration(late)}: no maintenance", start
    else:
        why, remedy = _late_rotation(queue, [c.name for c in consumers if c.holds], start)
        text = f"rotation overdue by {duration(late)}{why}"
    return Finding(Code.ROTATION, Place(queue=queue.name), text, remedy, late)


def _late_rotation(queue: Queue, holders: list[str], start: str) -> tuple[str, str]:
    """Why a rotation is overdue, and the remedy. `holders`: consumers that hold it back; `start`:
    how to start a ticker."""
    if holders and queue.tick_holds:
        if queue.since_tick is None or queue.since_tick >= queue.since_rotation:
            return ": no tick since the last rotation", start
        return (
            ", held back by a transaction older than the last rotation",
            "find and end it: xact_start in pg_stat_activity, prepared in pg_prepared_xacts",
        )
    if holders:
        return f", held back by {', '.join(holders)}", "let it catch up, or unregister it"
    return (
        ": no maintenance, or the table to be truncated is locked",
        f"{start}; check pg_stat_activity for pg_dump and the like",
    )


def _late(consumer: Consumer, limit: LagLimit) -> Finding | None:
    """Only while a tick is waiting: else there is nothing to do, or the ticker is down."""
    waiting = consumer.waiting
    if waiting is None or consumer.lag is None or waiting <= limit.waiting:
        return None
    place = Place(queue=consumer.queue, consumer=consumer.name)
    if consumer.since_seen > limit.trouble_after:
        events = consumer.pending or 0
        return Finding(
            Code.CONSUMER_NOT_SEEN,
            place,
            f"not seen for {duration(consumer.since_seen)}"
            + (f", {counted(events, 'event')} waiting" if events else ""),
            "start it, or unregister it if it is no longer needed",
            consumer.since_seen,
        )
    if not consumer.pending:
        return None
    return Finding(
        Code.CONSUMER_LAGGING,
        place,
        f"lagging: {counted(consumer.pending, 'event')} waiting for up to {duration(waiting)}",
        "check its log for errors, and the load on whatever it writes to;"
        " if it lags on purpose, raise trouble_after",
        waiting,
    )


def _position(consumer: Consumer) -> Finding | None:
    if consumer.last_tick is None or consumer.lag is not None:
        return None
    return Finding(
        Code.POSITION_GONE,
        Place(queue=consumer.queue, consumer=consumer.name),
        f"its position, tick {consumer.last_tick}, no longer exists, and the queue cannot rotate",
        "unregister it, then register it again",
        consumer.since_seen,
    )
