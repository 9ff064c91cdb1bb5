"""Detect movers that take no locks, such as those of Skytools: running both would double events.

Our commit never doubles what such a mover has committed: it compares the position as it sets it.
What the other one commits after us cannot be prevented, so we stop at any sign of it.
"""

from collections.abc import Callable

from queue_mover.errors import UnlockedMoverError
from queue_mover.model import Log, Route
from queue_mover.pgq import source
from queue_mover.pgq.source import Progress
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

WATCH_PERIOD = 5.0
"""Seconds without progress before we take over a position that another program set."""


class LegacyWatch:
    """Checks, before the first batch, whether the program that set the position still runs."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._since: Progress | None = None
        self._over = False

    def must_wait(self, src: Connection, route: Route, unknown_origin: Callable[[], bool]) -> bool:
        """Whether to move nothing yet, and check again in a moment.

        Raises UnlockedMoverError when the consumer has finished a batch meanwhile, unless one of
        our movers did, which record origins.
        """
        if self._over:
            return False
        with translating_errors("source", route.source_flavour):
            now = source.progress(src, route)
        if now is None or not unknown_origin():
            self._over = True
            return False
        if self._since is None:
            self._since = now
            self._log.info(
                "the position on the target was left by another program;"
                " checking for %g s whether it still moves this queue",
                WATCH_PERIOD,
            )
        if now.last_tick != self._since.last_tick:
            evidence = f"it moved from tick {self._since.last_tick} to {now.last_tick}"
            raise unlocked_mover(src, route, evidence)
        if now.batch != self._since.batch:
            self._since = now
        self._over = now.at - self._since.at >= WATCH_PERIOD
        return not self._over


def unlocked_mover(src: Connection, route: Route, evidence: str) -> UnlockedMoverError:
    """The error to raise, which names the suspected sessions."""
    with translating_errors("source", route.source_flavour):
        sessions = source.unlocked_sessions(src, route)
    return UnlockedMoverError(
        f'another mover, which takes no locks, moves consumer "{route.consumer}": {evidence};'
        f" on the source: {sessions}; remedy: stop the other mover, then start this one again"
    )
