"""The JSON of `pgqadm status`; docs/status-json.md describes it, and a test compares the two.

Within a version keys are only added, never renamed, removed or given another meaning.
"""

import json
import math
from datetime import UTC, datetime
from typing import Any

from queue_mover.observation.activity import Activity, LastError
from queue_mover.observation.database import Consumer, Quarantine, Queue
from queue_mover.observation.findings import Finding
from queue_mover.observation.overview import DatabaseView, Overview, SourceView
from queue_mover.observation.source_findings import lag_limit
from queue_mover.observation.target_queues import TargetQueue
from queue_mover.observation.verdict import Verdict
from queue_mover.reporting.source_report import is_trouble

VERSION = 1

Object = dict[str, Any]


def text(overview: Overview) -> str:
    """One JSON document about everything that was read."""
    return json.dumps(_overview(overview), indent=2, allow_nan=False)


def _overview(overview: Overview) -> Object:
    return {
        "version": VERSION,
        "generated": datetime.now(UTC).isoformat(timespec="seconds"),
        "exit_code": overview.exit_code,
        "databases": [_database(view) for view in overview.databases],
        "sources": [_source(view) for view in overview.sources],
        "findings": [finding_object(finding) for finding in overview.findings],
        "targets": [_target(target) for target in overview.targets],
    }


def _database(view: DatabaseView) -> Object:
    status = view.status
    if status is None:
        return {"database": view.place, "readable": False}
    quarantined = status.quarantined
    return {
        "database": view.place,
        "readable": True,
        "name": status.database,
        "postgresql": status.postgresql,
        "standby": status.is_standby,
        "pgq": status.pgq,
        "pgq_ext": status.pgq_ext,
        "queues": [
            _queue(queue)
            | {"consumers": [_consumer(c) for c in status.consumers if c.queue == queue.name]}
            for queue in status.queues
        ],
        "quarantined": None if quarantined is None else [_quarantine(each) for each in quarantined],
        "flavour": status.flavour.schema,
        "scheduler": status.scheduler,
    }


def _queue(queue: Queue) -> Object:
    return {
        "queue": queue.name,
        "tables": queue.tables,
        "current_table": queue.current_table,
        "rotation_period_seconds": _number(queue.rotation_period),
        "since_rotation_seconds": _number(queue.since_rotation),
        "external_ticker": queue.external_ticker,
        "ticker_paused": queue.ticker_paused,
        "inserts_disabled": queue.inserts_disabled,
        "ticker_max_count": queue.max_count,
        "ticker_max_lag_seconds": _number(queue.max_lag),
        "ticker_idle_period_seconds": _number(queue.idle_period),
        "last_tick": queue.last_tick,
        "since_tick_seconds": _number(queue.since_tick),
        "events_per_second": _number(queue.events_per_second),
        "new_events": queue.new_events,
    }


def _consumer(consumer: Consumer) -> Object:
    return {"consumer": consumer.name} | _registration(consumer)


def _registration(consumer: Consumer | None) -> Object:
    """A consumer's progress; all null if it is not registered, or not readable."""
    if consumer is None:
        return dict.fromkeys(
            ("tick", "batch", "batch_end_tick", "pending_events", "lag_seconds",
             "since_seen_seconds", "waiting_seconds")
        )  # fmt: skip
    return {
        "tick": consumer.last_tick,
        "batch": consumer.batch,
        "batch_end_tick": consumer.batch_end,
        "pending_events": consumer.pending,
        "lag_seconds": _number(consumer.lag),
        "since_seen_seconds": _number(consumer.since_seen),
        "waiting_seconds": _number(consumer.waiting),
    }


def _quarantine(held: Quarantine) -> Object:
    return {
        "consumer": held.consumer,
        "events": held.events,
        "oldest_seconds": _number(held.since),
    }


def _source(view: SourceView) -> Object:
    source = view.source
    route, limit = source.mover.route, lag_limit(source)
    return {
        "source": source.name,
        "readable": source.readable,
        "in_trouble": is_trouble(view.findings),
        "queue": route.queue,
        "consumer": route.consumer,
        "target_queue": route.target_queue,
        "source_flavour": route.source_flavour.schema,
        "target_flavour": route.target_flavour.schema,
        "registered": None
        if source.queue is None and source.source_error
        else source.consumer is not None,
        **_registration(source.consumer),
        "new_events": source.queue.new_events if source.queue else None,
        "target_tick": source.position.tick if source.position else None,
        "quarantined_events": source.quarantined,
        "trouble_after_seconds": limit.trouble_after,
        "allowance_seconds": _number(limit.allowance),
        **_activity(source.activity, readable=source.readable),
        "batch_since_seconds": _number(source.batch_since),
        "verdict": _verdict(view.verdict),
    }


def _activity(activity: Activity, *, readable: bool) -> Object:
    others = activity.others
    return {
        "state": activity.state(readable=readable).value,
        "pid": activity.process.pid if activity.process else None,
        "elsewhere": (others[0].address or None) if others else None,
        "events_per_second": _number(activity.events_per_second),
        "since_batch_seconds": _number(activity.since_batch),
        "last_error": _error(activity.last_error) if activity.last_error else None,
    }


def _error(error: LastError) -> Object:
    return {
        "text": error.message,
        "host": error.host,
        "pid": error.pid,
        "since_seconds": _number(error.began),
        "since_seen_seconds": _number(error.seen),
        "since_recovered_seconds": _number(error.recovered),
    }


def _verdict(verdict: Verdict) -> Object:
    return {
        "cause": verdict.cause.value,
        "text": verdict.text,
        "remedy": verdict.remedy,
    }


def _target(target: TargetQueue) -> Object:
    queue = target.queue
    return {
        "database": target.database,
        "queue": target.name,
        "readable": target.readable,
        "last_tick": queue.last_tick if queue else None,
        "since_tick_seconds": _number(queue.since_tick) if queue else None,
        "new_events": queue.new_events if queue else None,
        "consumers": [_consumer(each) for each in target.consumers],
    }


def finding_object(finding: Finding) -> Object:
    """A finding as docs/status-json.md describes it."""
    place = finding.place
    return {
        "code": finding.code.value,
        "severity": finding.severity.value,
        "database": place.database or None,
        "source": place.source or None,
        "queue": place.queue or None,
        "consumer": place.consumer or None,
        "since_seconds": _number(finding.since),
        "text": finding.text,
        "remedy": finding.remedy,
    }


def _number(value: float | None) -> float | None:
    """An infinite interval becomes null: JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None
