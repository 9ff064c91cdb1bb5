"""Notice another mover of the consumer that writes elsewhere, as when a config file was copied.

With one consumer they would take turns, as a mover and its standby do, and either target queue
would get a part of the events.
"""

import time

from queue_mover.errors import NotReadyError
from queue_mover.model import Batch, Route
from queue_mover.moving.preflight import BothSides
from queue_mover.moving.session import on_target
from queue_mover.pgq import recorded_route
from queue_mover.postgres.database import Sessions

PERIOD = 60.0
"""Seconds between checks while another mover is at work, and before the first one: what is recorded
then is our own start."""


class RouteWatch:
    """Checks when another mover has moved a batch since our last one."""

    def __init__(self) -> None:
        self._reached: int | None = None
        self._due = time.monotonic() + PERIOD

    def reached(self, batch: Batch) -> None:
        """Note a batch that was moved here."""
        if self._reached is None:
            self._due = 0.0
        self._reached = batch.end.id

    def check(self, batch: Batch, target: Sessions, route: Route, sides: BothSides) -> None:
        """Call before a batch is moved. Raises NotReadyError, until the other one has our
        route."""
        now = time.monotonic()
        if batch.start.id == self._reached or now < self._due or not sides.records_routes:
            return
        with on_target(target, route) as dst:
            if recorded_route.is_ours(dst, route):
                self._due = now + PERIOD
                return
        raise NotReadyError(
            f'another mover of consumer "{route.consumer}" was started since, and writes to another'
            f' queue than "{route.target_queue}" or has another event_filter or table_filter: each'
            " would get a part of the events; remedy: give each its own consumer_name, or both the"
            " same config; compare the queues"
        )
