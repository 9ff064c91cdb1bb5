"""Log which workers wait long for a server: no error would ever show a lock that nobody releases,
or a commit that waits for a standby which is down."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from queue_mover.service.worker import Worker
from queue_mover.system import logs

LONG = 60.0
"""Seconds that a worker waits for a server before this is logged."""

PERIOD = 5.0
"""Seconds between checks."""


@dataclass(slots=True)
class LongWaits:
    """Logs each once when it has become long, and once when it is over."""

    job_name: str
    _logged: dict[Worker, float] = field(default_factory=dict)
    """Since when they wait."""

    def check(self, workers: Iterable[Worker]) -> None:
        """Check the workers that run."""
        now = time.monotonic()
        still = dict[Worker, float]()
        for worker in workers:
            since = worker.waiting_since()
            before = self._logged.get(worker)
            log = logs.logger(self.job_name, worker.spec.source)
            if before is not None and before != since:
                log.info("the server has answered")
            if since is None or now - since <= LONG:
                continue
            still[worker] = since
            if before != since:
                log.warning(
                    "a server has not answered for %g s: somebody holds a lock, a commit waits for"
                    " a standby, or it is frozen; remedy: queue_mover3 --status CONFIG shows what"
                    " it waits for",
                    LONG,
                )
        self._logged = still
