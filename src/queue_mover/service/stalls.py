"""Every wait of a worker that was told to stop has an end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from queue_mover.service.worker import Worker
from queue_mover.system import logs

UNANSWERED = 60.0
"""Seconds that a server may owe an answer to a worker that was told to stop, before it is cut off.
Shorter than what service managers wait before they kill."""

LAST_WAIT = 3.0
"""Seconds that abandoned workers get to say so."""


@dataclass(slots=True)
class Stalls:
    """Cuts the connections of workers whose servers do not answer."""

    job_name: str
    give_up: Callable[[Worker], None]
    """Called for a worker that hangs where nothing can be cut, as in a connect."""
    any: bool = False
    """Whether it has had to."""
    _cut: dict[Worker, float] = field(default_factory=dict)

    def look(self, workers: Iterable[Worker], now: float) -> None:
        """Look at those that were told to stop. `now`: on the monotonic clock."""
        stopping = [worker for worker in workers if worker.stopping]
        self._cut = {worker: when for worker, when in self._cut.items() if worker in stopping}
        for worker in stopping:
            if worker in self._cut:
                if now - self._cut[worker] > LAST_WAIT:
                    self.give_up(worker)
            elif worker.unanswered(now) > UNANSWERED:
                self.any = True
                self._cut[worker] = now
                log = logs.logger(self.job_name, worker.spec.source)
                log.warning(
                    "stopping, but a server has not answered for %g s: connections closed",
                    UNANSWERED,
                )
                worker.abandon()
