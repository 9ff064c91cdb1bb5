"""One batch from the source to the target, exactly once.

The data and the position commit together on the target, the source is told afterwards,
and a batch that comes again is recognised by its ticks. `docs/architecture.md` shows what
happens when the program dies after each step.

No sleep and no retry here: after an error the next call starts from what the two
databases say.
"""

from collections.abc import Sequence

from queue_mover.copying import copy, insert, quarantine
from queue_mover.errors import BadEventError, LostPositionError, NotReadyError
from queue_mover.model import Batch, BatchLimits, Log, Outcome, Policy, Position, Result, Route
from queue_mover.moving.decision import Decision, decide, explain
from queue_mover.moving.legacy_mover import Watch, unlocked_mover
from queue_mover.moving.preflight import BothSides, Preflight, Running
from queue_mover.moving.tick_watch import TickWatch
from queue_mover.pgq import source, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Sessions
from queue_mover.postgres.translation import translating_errors

PARTNERS = (Decision.APPLY, Decision.SKIP, Decision.STALE)
"""What a mover decides whose partner has moved on."""


class Mover:
    """Moves the batches of one route. Owns the transactions on both sides."""

    def __init__(
        self,
        route: Route,
        limits: BatchLimits,
        source: Sessions,
        target: Sessions,
        log: Log,
        policy: Policy,
        running: Running = frozenset,
    ) -> None:
        self.route = route
        self._limits = limits
        self._source = source
        self._target = target
        self._log = log
        self._policy = policy
        self._preflight = Preflight(route, policy, limits, log, running)
        self._sides: BothSides | None = None
        self._applied: Batch | None = None
        self._idle = False
        self._started = False
        self._watch = Watch(route, log)
        self._tick_watch = TickWatch(route, log)
        self._recorded = False
        self.sent = 0
        """Bytes of the batch in progress, or of the last one, as COPY has sent them."""

    def prepare(self) -> None:
        """Check both sides, unless that has been done since the last error, and register
        when new. Raises a QueueMoverError; `move_batch` prepares by itself."""
        if self._sides is None:
            with self._source.session() as src, self._target.session() as dst:
                self._sides = self._preflight.check(src, dst, first=not self._started)
            self._started = True

    def move_batch(self, limits: BatchLimits | None = None) -> Outcome:
        """Move the next batch, if one waits. Raises a QueueMoverError; then call again.

        `limits`: for this batch, instead of the usual ones.
        """
        limits = limits or self._limits
        try:
            return self._move(limits, careful=False)
        except BadEventError:
            if not self._policy.quarantine:
                raise
        except NotReadyError:
            # PgQ refused; a look at both sides knows better what is missing, and what helps.
            self.prepare()
            raise
        return self._move(limits, careful=True)

    def _move(self, limits: BatchLimits, *, careful: bool) -> Outcome:
        try:
            self.prepare()
            assert self._sides is not None
            with self._source.session() as src:
                if self._sides.unknown_origin and self._watch.goes_on(src, self._unknown_origin):
                    return Outcome(Result.WATCHING)
                batch = None
                if not self._idle or source.has_news(src, self.route):
                    batch = self._next_batch(src, limits)
                self._idle = batch is None
                if batch is None:
                    self._tick_watch.check(src)
                    return Outcome(Result.IDLE)
                outcome = self._bring(batch, src, self._sides, careful=careful)
        except BaseException:
            # What we remember may be half true now; the databases know.
            self._sides, self._applied, self._idle = None, None, False
            raise
        if outcome.result in (Result.MOVED, Result.SKIPPED):
            self._applied = batch
        return outcome

    def _next_batch(self, src: Connection, limits: BatchLimits) -> Batch | None:
        applied, self._applied = self._applied, None
        batch, finished = source.next_batch(src, self.route, limits, applied)
        if applied and not finished:
            self._report_unfinished(applied)
        return batch

    def _bring(self, batch: Batch, src: Connection, sides: BothSides, *, careful: bool) -> Outcome:
        with self._target.session() as dst:
            opening = target.open_transaction(dst, self.route, remembers=sides.remembers)
            if not opening.locked:
                dst.rollback()
                return Outcome(Result.BUSY, holder=target.lock_holder(dst, self.route))
            position = opening.position
            decision = decide(batch, position, sides.identity, lambda: self._is_active(src, batch))
            if decision in PARTNERS and self._lost_its_origin(position):
                raise unlocked_mover(
                    src, self.route, "it has set the position since our last batch"
                )
            match decision:
                case Decision.APPLY:
                    copy_batch = self._copy_carefully if careful else self._copy
                    try:
                        count, quarantined = copy_batch(batch, src, dst, opening.table, sides)
                    except NotReadyError:
                        # The SELECT fails when the batch has been taken from us meanwhile.
                        if self._is_active(src, batch):
                            raise
                        dst.rollback()
                        return Outcome(Result.STALE)
                    self._commit(src, dst, position, sides.reached(batch))
                    return Outcome(Result.MOVED, count, quarantined)
                case Decision.SKIP:
                    dst.rollback()
                    return Outcome(Result.SKIPPED)
                case Decision.STALE:
                    dst.rollback()
                    return Outcome(Result.STALE)
                case refusal:
                    assert position is not None
                    raise LostPositionError(explain(refusal, batch, position, sides.identity))

    def _is_active(self, src: Connection, batch: Batch) -> bool:
        with translating_errors("source", self.route.source_flavour):
            return source.is_active(src, self.route, batch)

    def _lost_its_origin(self, position: Position | None) -> bool:
        """Whether somebody who records no origin has set the position that we had recorded."""
        return self._recorded and position is not None and position.source is None

    def _unknown_origin(self) -> bool:
        """Whether the position is still the one that another program left."""
        with self._target.session() as dst:
            position = target.position(dst, self.route, remembers=True)
        return position is not None and position.source is None

    def _commit(
        self, src: Connection, dst: Connection, before: Position | None, after: Position
    ) -> None:
        if not target.commit_position(dst, self.route, before, after):
            raise unlocked_mover(src, self.route, "it moved the position while we held its lock")
        self._recorded = after.source is not None

    def _copy(
        self, batch: Batch, src: Connection, dst: Connection, table: str, sides: BothSides
    ) -> tuple[int, tuple[str, ...]]:
        self.sent = 0
        columns = insert.SELECTED if self._policy.insert else copy.COLUMNS
        route, encoding = self.route, sides.encoding
        select = source.event_select(batch, route, columns)
        try:
            if self._policy.insert:
                return insert.insert_events(src, select, dst, encoding, route), ()
            return copy.copy_events(src, select, dst, table, encoding, route, self._add), ()
        except BadEventError as error:
            with translating_errors("source", route.source_flavour):
                event = source.describe_event(src, batch, route, error.line)
            raise BadEventError(
                f"the target cannot take {event}: {error.column or 'a column'}: {error};"
                " remedy: on_bad_event = quarantine moves the batch without it"
            ) from error

    def _add(self, size: int) -> None:
        self.sent += size

    def _copy_carefully(
        self, batch: Batch, src: Connection, dst: Connection, table: str, sides: BothSides
    ) -> tuple[int, tuple[str, ...]]:
        if not sides.remembers:
            raise NotReadyError(
                "target database: no table for quarantined events; remedy: pgqadm.py CONFIG install"
            )
        route, encoding = self.route, sides.encoding

        def write(rows: Sequence[insert.Row]) -> None:
            if self._policy.insert:
                insert.insert_rows(dst, rows, encoding, route)
            else:
                quarantine.copy_rows(dst, rows, table, encoding)

        def keep(row: insert.Row, reason: str) -> str:
            return quarantine.keep_aside(dst, row, encoding, route, sides.identity, reason)

        self.sent = 0
        select = source.event_select(batch, route, quarantine.SELECTED)
        return quarantine.write_sound_events(src, select, dst, write, encoding, keep, route)

    def finish(self) -> None:
        """Tell the source about the last batch now, not with the next one: we are stopping."""
        applied, self._applied = self._applied, None
        if applied is None:
            return
        with self._source.session() as src:
            if not source.finish(src, self.route, applied):
                self._report_unfinished(applied)

    def _report_unfinished(self, batch: Batch) -> None:
        self._log.warning(
            "batch %d (tick %d..%d) was not there to be finished: another mover finished it,"
            " or the consumer was registered anew; nothing is lost, asking for the next",
            batch.id,
            batch.start.id,
            batch.end.id,
        )

    def close(self) -> None:
        """Need no more connections."""
        self._source.close()
        self._target.close()

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, a server owes an answer."""
        since = (self._source.waiting_since(), self._target.waiting_since())
        return min((each for each in since if each is not None), default=None)

    def abandon(self) -> None:
        """From another thread: cut both connections, so that a batch on its way is rolled back."""
        self._source.abandon()
        self._target.abandon()
