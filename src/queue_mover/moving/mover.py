"""Move one batch from the source to the target, exactly once.

Data and position commit together on the target, then the batch is finished on the source; a
replayed batch is recognised by its ticks. `docs/architecture.md` shows what happens when the
program dies after each step.

No sleep and no retry here: after an error the next call starts from the state of the two
databases.
"""

from dataclasses import replace
from importlib import import_module
from typing import cast

from queue_mover.errors import (
    BadEventError,
    LostPositionError,
    NotReadyError,
    QueueMoverError,
    StatementError,
)
from queue_mover.model import Batch, BatchLimits, Log, Outcome, Policy, Position, Result, Route
from queue_mover.moving.announcements import Announcements
from queue_mover.moving.copying_progress import CopyingProgress
from queue_mover.moving.decision import Decision, decide, explain
from queue_mover.moving.first_position import warn_position_gone
from queue_mover.moving.legacy_mover import LegacyWatch, unlocked_mover
from queue_mover.moving.peers import ALONE, Peers
from queue_mover.moving.preflight import BothSides, Preflight
from queue_mover.moving.route_watch import RouteWatch
from queue_mover.moving.session import on_source, on_target
from queue_mover.moving.small_batches import SmallBatches
from queue_mover.moving.target_states import TargetStates
from queue_mover.moving.tick_watch import TickWatch
from queue_mover.moving.writing import BatchWriter, Written
from queue_mover.pgq import batches, flavours, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Sessions
from queue_mover.postgres.translation import translating_errors

PARTNER_DECISIONS = (Decision.APPLY, Decision.SKIP, Decision.STALE)
"""Decisions that are consistent with another mover of ours at work."""


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
        peers: Peers = ALONE,
    ) -> None:
        self.route = route
        self._limits = limits
        self._source = source
        self._target = target
        self._log = log
        self._policy = policy
        self._peers = peers
        self._sides: BothSides | None = None
        self._applied: Batch | None = None
        self._idle = False
        self._started = False
        self._legacy_watch = LegacyWatch(log)
        self._tick_watch = TickWatch(log)
        self._announcements = Announcements(limits, log)
        self._route_watch = RouteWatch()
        self._recorded = False
        self._small_batches = SmallBatches(policy, peers.sharing) if peers.sharing else None
        self.copying = CopyingProgress()
        """Of the batch in progress, or of the last one."""

    def prepare(self) -> None:
        """Check both sides, unless done since the last error, and register a new consumer.

        Raises a QueueMoverError. `move_batch` calls this as needed.
        """
        if self._sides is None:
            with self._source.session() as src, self._target.session() as dst:
                states = None if self._started else self._peers.target_states
                self._find_flavours(src, dst, states)
                preflight = Preflight(
                    self.route,
                    self._policy,
                    self._limits,
                    self._log,
                    self._peers.running,
                    self._peers.is_news,
                    states,
                )
                self._sides = preflight.check(src, dst, first=not self._started)
                self._announcements.trust()
            self._started = True

    def _find_flavours(self, src: Connection, dst: Connection, states: TargetStates | None) -> None:
        """Anew after each error: a database may have changed from PgQ to PgQue."""
        before, route = self.route, flavours.with_source_flavour(src, self.route)
        if states and (known := states.recent(route)):
            self.route = replace(route, target_flavour=known[0])
        else:
            self.route = flavours.with_target_flavour(dst, route)
        if self.route.source_flavour != before.source_flavour:
            self._log.info("source database has %s", self.route.source_flavour.name)
        if self.route.target_flavour != before.target_flavour:
            self._log.info("target database has %s", self.route.target_flavour.name)

    def move_batch(self, limits: BatchLimits | None = None) -> Outcome:
        """Move the next batch, if one is waiting. Raises a QueueMoverError; then call again.

        `limits`: for this batch, instead of the usual ones.
        """
        limits = limits or self._limits
        try:
            return self._move(limits, quarantining=False)
        except BadEventError:
            if not self._policy.quarantine:
                raise
        except NotReadyError:
            # PgQ raised an error; a check of both sides gives a better message.
            self.prepare()
            raise
        return self._move(limits, quarantining=True)

    def _move(self, limits: BatchLimits, *, quarantining: bool) -> Outcome:
        try:
            self.prepare()
            assert self._sides is not None
            with on_source(self._source, self.route) as src:
                if self._sides.unknown_origin and self._legacy_mover_may_run(src):
                    return Outcome(Result.WATCHING)
                batch = None
                if not self._idle or batches.has_work(src, self.route):
                    batch = self._next_batch(src, limits)
                if self._idle and batch is not None and self._sides.announces:
                    self._announcements.found_batch(src)
                self._idle = batch is None
                if batch is None:
                    self._tick_watch.check(src, self.route, announced=self._sides.announces)
                    return Outcome(Result.IDLE)
                self._route_watch.check(batch, self._target, self.route, self._sides)
                self.copying = CopyingProgress.of(batch, self.route)
                outcome = None
                if self._small_batches and not quarantining:
                    outcome = self._share(batch, src, self._sides, self._small_batches)
                if outcome is None:
                    outcome = self._apply(batch, src, self._sides, quarantining=quarantining)
        except BaseException:
            # Our state may be out of date: start again from that of the databases.
            self._sides, self._applied, self._idle = None, None, False
            raise
        finally:
            self.copying.ended = True
        if outcome.result in (Result.MOVED, Result.SKIPPED):
            self._applied = batch
        if outcome.result is Result.MOVED:
            self._route_watch.reached(batch)
        return outcome

    def _next_batch(self, src: Connection, limits: BatchLimits) -> Batch | None:
        applied, self._applied = self._applied, None
        batch, finished = batches.next_batch(src, self.route, limits, applied)
        if applied and not finished:
            self._warn_already_finished(applied)
        return batch

    def _share(
        self, batch: Batch, src: Connection, sides: BothSides, small: SmallBatches
    ) -> Outcome | None:
        """Move a small batch together with those of other movers; None: it must go alone."""
        rows = small.write(batch, self.route, src, sides)
        if rows is None:
            return None
        self._recorded = True
        self.copying.sent(rows.count, len(rows.data))
        return Outcome(Result.MOVED, rows.count)

    def _apply(
        self, batch: Batch, src: Connection, sides: BothSides, *, quarantining: bool
    ) -> Outcome:
        with on_target(self._target, self.route) as dst:
            opening = target.open_transaction(
                dst, self.route, remembers=sides.remembers, copies=not self._policy.insert
            )
            if not opening.locked:
                dst.rollback()
                return Outcome(Result.BUSY, holder=target.lock_holder(dst, self.route))
            position = opening.position
            decision = decide(batch, position, sides.identity, lambda: self._is_active(src, batch))
            if position is None and self._recorded:
                warn_position_gone(batch, self._log)
            if decision in PARTNER_DECISIONS and self._lost_its_origin(position):
                raise unlocked_mover(src, self.route, "it set the position after our last batch")
            match decision:
                case Decision.APPLY:
                    writer = BatchWriter(self.route, self._policy, sides, self.copying)
                    write = writer.write_good_events if quarantining else writer.write
                    try:
                        written = write(batch, src, dst, opening.table)
                    except (NotReadyError, StatementError) as error:
                        # The SELECT fails when the batch is no longer active.
                        if isinstance(error, StatementError) or self._is_active(src, batch):
                            raise self._explained(error, src, batch) from error.__cause__
                        dst.rollback()
                        return Outcome(Result.STALE)
                    self._commit(src, dst, position, sides.reached(batch), written)
                    return Outcome(Result.MOVED, written.count, written.quarantined)
                case Decision.SKIP:
                    dst.rollback()
                    return Outcome(Result.SKIPPED)
                case Decision.STALE:
                    dst.rollback()
                    return Outcome(Result.STALE)
                case refusal:
                    assert position is not None
                    raise LostPositionError(explain(refusal, batch, position, sides.identity))

    def _explained(self, error: QueueMoverError, src: Connection, batch: Batch) -> QueueMoverError:
        if not self.route.expressions:
            return error
        explained = import_module("queue_mover.moving.expression_error").explained
        return cast(QueueMoverError, explained(error, src, batch, self.route))

    def _is_active(self, src: Connection, batch: Batch) -> bool:
        with translating_errors("source", self.route.source_flavour):
            return batches.is_active(src, self.route, batch)

    def _lost_its_origin(self, position: Position | None) -> bool:
        """Whether a program that records no origin has overwritten the position that we set."""
        return self._recorded and position is not None and position.source is None

    def _legacy_mover_may_run(self, src: Connection) -> bool:
        return self._legacy_watch.must_wait(src, self.route, self._unknown_origin)

    def _unknown_origin(self) -> bool:
        """Whether the position is still the one that another program set."""
        with on_target(self._target, self.route) as dst:
            position = target.position(dst, self.route, remembers=True)
        return position is not None and position.source is None

    def _commit(
        self,
        src: Connection,
        dst: Connection,
        before: Position | None,
        after: Position,
        written: Written,
    ) -> None:
        ids = written.ids
        kept = None if ids is None else (ids.first, ids.last)
        if not target.commit_position(dst, self.route, before, after, kept):
            raise unlocked_mover(
                src, self.route, "it changed the position while we held the consumer's lock"
            )
        self._recorded = after.source is not None

    def finish(self) -> None:
        """Finish the last batch on the source now, not with the next one: we are stopping."""
        applied, self._applied = self._applied, None
        if applied is None:
            return
        with on_source(self._source, self.route) as src:
            if not batches.finish(src, self.route, applied):
                self._warn_already_finished(applied)

    def _warn_already_finished(self, batch: Batch) -> None:
        self._log.warning(
            "batch %d (ticks %d..%d) was already finished by another mover, or the consumer was"
            " re-registered; nothing is lost, continuing with the next batch",
            batch.id,
            batch.start.id,
            batch.end.id,
        )

    def close(self) -> None:
        """Release the connections."""
        self._source.close()
        self._target.close()
        self._announcements.close()
        if self._small_batches:
            self._small_batches.close()

    def sleep(self, seconds: float) -> bool:
        """Sleep until the source announces a tick, where it does, and nothing else is to be done.

        `seconds`: what is slept otherwise. Returns False, without sleeping, if that is so.
        """
        idle = self._idle and self._sides is not None and self._sides.announces
        return idle and self._announcements.sleep(self._source, self.route, seconds)

    def stop(self) -> None:
        """From another thread: sleep no more, and wait for no other mover."""
        self._announcements.wake()
        if self._small_batches:
            self._small_batches.stop()

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, we wait for a server."""
        since = (self._source.waiting_since(), self._target.waiting_since())
        return min((each for each in since if each is not None), default=None)

    def abandon(self) -> None:
        """From another thread: cut both connections, so that the current batch is rolled back."""
        self.stop()
        self._source.abandon()
        self._target.abandon()
