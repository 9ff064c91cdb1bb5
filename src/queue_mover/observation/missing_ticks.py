"""Whether a queue lacks ticks; loaded only by movers that have waited for some."""

from queue_mover.model import Route
from queue_mover.observation.database import read_queues
from queue_mover.observation.database_findings import judge_queue
from queue_mover.observation.findings import Code, Finding
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

CODES = (Code.TICKER_PAUSED, Code.TICKER)


def find(src: Connection, route: Route) -> Finding | None:
    """Why the source queue of a route gets no ticks; None: it gets them, or none are due."""
    flavour = route.source_flavour
    with translating_errors("source", flavour):
        queues = read_queues(src, route.queue, flavour)
    found = (finding for queue in queues for finding in judge_queue(queue, (), flavour))
    return next((finding for finding in found if finding.code in CODES), None)
