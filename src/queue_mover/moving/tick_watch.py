"""Warn about a source without ticks: its events never form a batch, and nothing else reports it."""

import time

from queue_mover.model import Log, Route
from queue_mover.observation.database import read_queues
from queue_mover.observation.database_findings import judge_queue
from queue_mover.observation.findings import REMEDY, Code
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

INTERVAL = 30.0
"""Seconds between checks while idle, and before the first: a ticker may be starting."""

NO_TICKS = (Code.TICKER_PAUSED, Code.TICKER)


class TickWatch:
    """Logs once when ticks stop, and again when they stop again."""

    def __init__(self, route: Route, log: Log) -> None:
        self._route = route
        self._log = log
        self._due = time.monotonic() + INTERVAL
        self._logged = False

    def check(self, src: Connection) -> None:
        """Call when there is no batch: checks for ticks, if a check is due."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + INTERVAL
        with translating_errors("source", self._route.source_flavour):
            queues = read_queues(src, self._route.queue, self._route.source_flavour)
        found = [
            finding
            for queue in queues
            for finding in judge_queue(queue, (), self._route.source_flavour)
            if finding.code in NO_TICKS
        ]
        if found and not self._logged:
            self._log.warning(
                'source database: queue "%s": %s; without ticks nothing is moved%s%s',
                self._route.queue,
                found[0].text,
                REMEDY,
                found[0].remedy,
            )
        self._logged = bool(found)
