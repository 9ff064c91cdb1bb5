"""The progress of copying a batch."""

import time
from dataclasses import dataclass, field

from queue_mover.model import Batch, Route
from queue_mover.observation.progress import BatchInProgress


@dataclass(slots=True)
class CopyingProgress:
    """Written by the thread that copies, read by any without a lock: a number may be one block
    old."""

    span: int | None = None
    """Event numbers of the batch; None: unknown."""
    total: int | None = None
    """About how many events it has; None: unknown."""
    end_time: float | None = None
    """Of the tick that ends it, see `Tick.time`."""
    events: int = 0
    size: int = 0
    """Bytes that COPY has sent."""
    ended: bool = True
    ticks: tuple[int, int] = (0, 0)
    """Those at its ends."""
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, batch: Batch, route: Route) -> "CopyingProgress":
        """A batch whose copying begins now."""
        span = batch.span
        total = None if route.is_filtered else span
        ticks = (batch.start.id, batch.end.id)
        return cls(span, total, batch.end.time, ended=False, ticks=ticks)

    def sent(self, events: int, size: int) -> None:
        """So many events have been sent so far, the last of them in a block of this size."""
        self.events = events
        self.size += size

    def seen(self, now: float) -> BatchInProgress | None:
        """From any thread: how far it is; None where nothing is being copied."""
        if self.ended:
            return None
        return BatchInProgress(self.events, self.total, now - self.began)
