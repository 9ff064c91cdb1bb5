"""Warn about a source without ticks: its events never form a batch, and nothing else reports it."""

import time
from importlib import import_module

from queue_mover.model import Log, Route
from queue_mover.observation.findings import REMEDY, Finding
from queue_mover.postgres.connection import Connection

INTERVAL = 30.0
"""Seconds between checks while idle, and before the first: a ticker may be starting."""

INTERVAL_ANNOUNCED = 300.0
"""The same where ticks are announced; the first check comes as early."""


class TickWatch:
    """Logs once when ticks stop, and again when they stop again."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._due = time.monotonic() + INTERVAL
        self._logged = False

    def check(self, src: Connection, route: Route, *, announced: bool = False) -> None:
        """Call when the route has no batch: checks for ticks, if a check is due.

        `announced`: the source announces its ticks, so an idle mover is to cost next to nothing.
        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + (INTERVAL_ANNOUNCED if announced else INTERVAL)
        # Imported when first due: a start does not wait for it.
        missing_ticks = import_module("queue_mover.observation.missing_ticks")
        found: Finding | None = missing_ticks.find(src, route)
        if found and not self._logged:
            self._log.warning(
                'source database: queue "%s": %s; without ticks nothing is moved%s%s',
                route.queue,
                found.text,
                REMEDY,
                found.remedy,
            )
        self._logged = found is not None
