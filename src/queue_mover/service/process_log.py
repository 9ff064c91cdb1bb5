"""Log lines about the process as a whole: the first, the last, and those about all sources."""

import logging
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from queue_mover.service.worker import Progress
from queue_mover.system.statistics_line import statistics_line


@dataclass(slots=True)
class ProcessLog:
    """Writes these lines; counts what running and ended workers have done."""

    log: logging.Logger
    program: str
    """Name and version."""
    job_name: str
    begun: bool = False
    _ended: Progress = field(default_factory=Progress)
    _counted: tuple[int, int] = (0, 0)

    def begin(self, title: str = "config not read yet") -> None:
        """Log the first line, once. `title`: of the plan."""
        if not self.begun:
            self.begun = True
            self.log.info(
                "%s started: job %s, pid %d, %s", self.program, self.job_name, os.getpid(), title
            )

    def end(self, code: int, reason: str) -> None:
        """Log the last line."""
        self.begin()
        level = logging.WARNING if code == 1 else logging.INFO
        self.log.log(level, "ended with exit code %d: %s", code, reason)

    def changes(self, **names: Iterable[str]) -> None:
        """Log which sources start, restart and stop, if any."""
        words = [
            f"{what} {', '.join(sorted(filter(None, which)))}"
            for what, which in names.items()
            if any(which)
        ]
        if words:
            self.log.info("sources: %s", "; ".join(words))

    def waiting(self, names: Iterable[str]) -> None:
        """Log which sources a stop waits for."""
        words = sorted(name or "the running batch" for name in names)
        self.log.info("waiting for: %s", ", ".join(words))

    def add(self, progress: Progress) -> None:
        """Count what an ended worker has done."""
        self._ended.batches += progress.batches
        self._ended.events += progress.events

    def moved(self, running: Iterable[Progress]) -> int:
        """Events moved since the start, by ended and `running` workers."""
        return self._ended.events + sum(progress.events for progress in running)

    def summary(self, running: Collection[Progress], stopped: int, period: float) -> None:
        """Log what has been done since the last summary. `stopped`: how many sources have failed
        for good; `period`: in seconds."""
        counted = [self._ended, *running]
        totals = (sum(p.batches for p in counted), sum(p.events for p in counted))
        batches, events = (
            total - before for total, before in zip(totals, self._counted, strict=True)
        )
        self._counted = totals
        values = {
            "sources": len(running),
            "failing": sum(p.failing for p in running),
            "stopped": stopped,
            "batches": batches,
            "count": events,
            "seconds": int(period) if period == int(period) else period,
        }
        self.log.info("%s", statistics_line(values))
