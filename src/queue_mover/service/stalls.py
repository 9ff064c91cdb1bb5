"""Limits how long a stopping worker may wait for a server."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from queue_mover.service.worker import Worker
from queue_mover.system import logs

UNANSWERED = 60.0
"""Seconds that a stopping worker waits for a server before its connections are closed.
Shorter than what service managers wait before they kill."""

LAST_WAIT = 3.0
"""Seconds that abandoned workers get to log that."""


@dataclass(slots=True)
class Stalls:
    """Closes the connections of stopping workers whose servers do not answer."""

    job_name: str
    give_up: Callable[[Worker], None]
    """Called for a worker that hangs where no connection can be closed, as in a connect."""
    found: bool = False
    """Whether there was such a worker."""
    _abandoned_at: dict[Worker, float] = field(default_factory=dict)

    def check(self, workers: Iterable[Worker], now: float) -> None:
        """Check the workers that are stopping. `now`: on the monotonic clock."""
        stopping = [worker for worker in workers if worker.stopping]
        self._abandoned_at = {
            worker: when for worker, when in self._abandoned_at.items() if worker in stopping
        }
        for worker in stopping:
            if worker in self._abandoned_at:
                if now - self._abandoned_at[worker] > LAST_WAIT:
                    self.give_up(worker)
            elif worker.unanswered(now) > UNANSWERED:
                self.found = True
                self._abandoned_at[worker] = now
                log = logs.logger(self.job_name, worker.spec.source)
                log.warning(
                    "stopping, but a server has not answered for %g s: connections closed",
                    UNANSWERED,
                )
                worker.abandon()
