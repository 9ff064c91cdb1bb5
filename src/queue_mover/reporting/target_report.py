"""The text about the queues that movers write to: their consumers and how far these are."""

from collections.abc import Sequence

from queue_mover.observation.database import Consumer
from queue_mover.observation.formatting import duration, number
from queue_mover.observation.target_queues import TargetQueue
from queue_mover.observation.verdict import READER_BEHIND
from queue_mover.reporting.database_report import ruled
from queue_mover.reporting.tables import columns

HEADER = ("Target queue", "Consumer", "Lag", "LastSeen", "Pending", "Tick", "")
SLOW = "slow"
"""In the last column of a consumer that is behind."""


def lines(targets: Sequence[TargetQueue]) -> list[str]:
    """A table for each target database, with a blank line after it."""
    result = []
    for database in dict.fromkeys(each.database for each in targets):
        result += _database(database, [each for each in targets if each.database == database])
    return result


def _database(database: str, targets: Sequence[TargetQueue]) -> list[str]:
    known = [each for each in targets if each.queue is not None]
    rows = [_row(each, consumer) for each in known for consumer in each.consumers]
    unread = [f'"{each.name}"' for each in known if not each.consumers]
    result = [f"Target {database}:"]
    if rows:
        result += ruled(columns([HEADER, *rows], "<<>>>><"))
    if unread:
        result.append(f"No consumers: {', '.join(unread)}.")
    return [*result, ""] if len(result) > 1 else []


def _row(target: TargetQueue, consumer: Consumer) -> tuple[str, ...]:
    return (
        target.name,
        consumer.name,
        duration(consumer.lag),
        duration(consumer.since_seen),
        number(consumer.pending),
        number(consumer.last_tick),
        SLOW if consumer.pending and (consumer.waiting or 0) > READER_BEHIND else "",
    )
