"""One batch from the source to the target, exactly once.

The data and the position commit together on the target, the source is told afterwards,
and a batch that comes again is recognised by its ticks. `docs/architecture.md` shows what
happens when the program dies after each step.

No sleep and no retry here: after an error the next call starts from what the two
databases say.
"""

import logging
from collections.abc import Callable
from enum import Enum

from queue_mover import copy, registration, source, target
from queue_mover.db import Connection, Database, boundary
from queue_mover.errors import LostPositionError
from queue_mover.model import Batch, BatchLimits, Outcome, Result, Route


class Decision(Enum):
    """What to do with a batch, given the position on the target."""

    APPLY = "apply"
    SKIP = "skip"
    """The target has this batch already."""
    STALE = "stale"
    """A partner has moved on since the source gave us this batch."""
    LOST = "lost"
    """The batch is the consumer's own, and the position fits neither end of it."""


def decide(
    start: int, end: int, position: int | None, still_active: Callable[[], bool]
) -> Decision:
    """Compare the ticks at both ends of a batch with the last tick the target has.

    `still_active` asks the source; it is called only when the position fits neither end.
    """
    if position is None or position == start:
        return Decision.APPLY
    if position == end:
        return Decision.SKIP
    return Decision.LOST if still_active() else Decision.STALE


class Mover:
    """Moves the batches of one route. Owns the transactions on both sides."""

    def __init__(
        self,
        route: Route,
        limits: BatchLimits,
        source: Database,
        target: Database,
        log: logging.Logger,
        *,
        auto_register: bool = True,
    ) -> None:
        self.route = route
        self._limits = limits
        self._source = source
        self._target = target
        self._log = log
        self._auto_register = auto_register
        self._encoding = ""
        self._applied: Batch | None = None

    def move_batch(self) -> Outcome:
        """Move the next batch, if one waits. Raises a QueueMoverError; then call again."""
        try:
            self._encoding = self._encoding or self._prepare()
            with self._source.session() as src:
                batch = self._next_batch(src)
                if batch is None:
                    return Outcome(Result.IDLE)
                with self._target.session() as dst:
                    outcome = self._bring(batch, src, dst)
        except BaseException:
            # What we remember may be half true now; the databases know.
            self._encoding, self._applied = "", None
            raise
        if outcome.result in (Result.MOVED, Result.SKIPPED):
            self._applied = batch
        return outcome

    def _next_batch(self, src: Connection) -> Batch | None:
        applied, self._applied = self._applied, None
        batch, finished = source.next_batch(src, self.route, self._limits, applied)
        if applied and not finished:
            self._report_unfinished(applied)
        return batch

    def _bring(self, batch: Batch, src: Connection, dst: Connection) -> Outcome:
        def still_active() -> bool:
            with boundary("source"):
                return source.is_active(src, batch)

        opening = target.open_transaction(dst, self.route)
        if not opening.locked:
            dst.rollback()
            return Outcome(Result.BUSY, holder=target.lock_holder(dst, self.route))
        match decide(batch.start, batch.end, opening.position, still_active):
            case Decision.APPLY:
                select = source.event_select(batch, self.route, copy.COLUMNS)
                count = copy.copy_events(src, select, dst, opening.table, self._encoding)
                target.commit_position(dst, self.route, batch.end)
                return Outcome(Result.MOVED, count)
            case Decision.SKIP:
                dst.rollback()
                return Outcome(Result.SKIPPED)
            case Decision.STALE:
                dst.rollback()
                return Outcome(Result.STALE)
            case Decision.LOST:
                raise LostPositionError(
                    f"Lost position: batch {batch.start}..{batch.end},"
                    f" dst has {opening.position}; remedy: --rewind goes on from the target's"
                    " position, --reset from the source's (repeating what the target has)"
                )

    def finish(self) -> None:
        """Tell the source about the last batch now, not with the next one: we are stopping."""
        applied, self._applied = self._applied, None
        if applied is None:
            return
        with self._source.session() as src:
            if not source.finish(src, self.route, applied):
                self._report_unfinished(applied)

    def _prepare(self) -> str:
        """Check both sides and register when new. Returns the encoding for both COPYs."""
        with self._source.session() as src, self._target.session() as dst:
            there = target.inspect(dst, self.route)
            target.check(there, self.route)
            with boundary("source"):
                here = source.inspect(src, self.route)
                source.check(here, self.route)
                if not here.registered:
                    registration.register_first(
                        src, dst, self.route, self._log, allowed=self._auto_register
                    )
        return copy.common_encoding(here.encoding, there.encoding)

    def _report_unfinished(self, batch: Batch) -> None:
        self._log.warning(
            "batch %d (tick %d..%d) was not there to be finished: another mover finished it,"
            " or the consumer was registered anew; nothing is lost, asking for the next",
            batch.id,
            batch.start,
            batch.end,
        )

    def close(self) -> None:
        """Close both connections."""
        self._source.close()
        self._target.close()

    def abandon(self) -> None:
        """From another thread: cut both connections, so that a batch on its way is rolled back."""
        self._source.abandon()
        self._target.abandon()
