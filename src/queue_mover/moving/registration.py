"""A consumer's registration on the source and its position on the target, changed together.

Two databases cannot change at once, so each change runs in the order that a crash in
between leaves harmless: it ends with a registration and no position (all events since
will come) or a position and no registration (the next start refuses), never with a pair
that makes a batch look as if the target had it.

Where both locks are held, the target's is taken first, and of two consumers the one whose name
comes first: two of these cannot deadlock.
"""

import shlex
from dataclasses import dataclass, field, replace
from typing import Self

from queue_mover.errors import NotReadyError
from queue_mover.model import BatchLimits, Log, Policy, Position, Route
from queue_mover.moving.first_position import set_first_position, warn_without_position
from queue_mover.moving.preflight import Running
from queue_mover.moving.requirements import (
    require_no_retries,
    require_same_tick,
    require_two_queues,
    require_usable_expressions,
)
from queue_mover.moving.session import on_source, on_target
from queue_mover.moving.takeover import take_over_tick
from queue_mover.observation.findings import Code
from queue_mover.observation.left_behind import read_others
from queue_mover.observation.position_findings import foreign_position
from queue_mover.observation.side_findings import (
    interval_findings,
    require_none,
    source_findings,
    target_findings,
)
from queue_mover.observation.sides import read_source, read_target
from queue_mover.pgq import flavours, server, source, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Sessions
from queue_mover.postgres.translation import translating_errors

POSITION_CODES = (Code.STANDBY, Code.READ_ONLY, Code.NOT_INSTALLED)
"""What keeps a position from being changed; the queue it belongs to may have gone."""


@dataclass(frozen=True, slots=True)
class Registrar:
    """The switches that change a consumer's registration and position."""

    route: Route
    source: Sessions
    target: Sessions
    log: Log
    running: Running = frozenset
    limits: BatchLimits = field(default_factory=BatchLimits)
    """Those of its mover, which would not start with an interval that PostgreSQL cannot use."""

    def resolved(self) -> Self:
        """The same for the PgQ that both sides have, where the config leaves it open."""
        with self.source.session() as src, self.target.session() as dst:
            return replace(self, route=flavours.resolved(src, dst, self.route))

    def register(self) -> None:
        """`--register`: register on the source; if new there, replace the position on the target.

        The old position goes first: a crash before the registration leaves a consumer that is
        unknown on both sides; one after it, a registration whose position the start sets.
        """
        with on_source(self.source, self.route) as src, on_target(self.target, self.route) as dst:
            identity = self._identity(src)
            require_two_queues(src, dst, self.route)
            self._require_intervals(src)
            with target.locked(dst, self.route, self.log):
                if self._is_registered(src):
                    self.log.info("Consumer is registered on the source queue already")
                    return
                self._forget(src, dst)
            self.log.info("Registering consumer on source queue")
            with translating_errors("source", self.route.source_flavour):
                source.register(src, self.route)
            remembers = self._remembers(dst)
            set_first_position(src, dst, self.route, identity, remembers=remembers)
            self._warn_left_behind(src, dst, identity, remembers=remembers)

    def _is_registered(self, src: Connection) -> bool:
        with translating_errors("source", self.route.source_flavour):
            return source.is_registered(src, self.route)

    def _warn_left_behind(
        self, src: Connection, dst: Connection, identity: str, *, remembers: bool
    ) -> None:
        others = read_others(src, dst, self.route, identity, self.running(), remembers=remembers)
        warn_without_position(others, self.log)
        for name, (registration, position) in others.left_behind.items():
            self.log.warning(
                'consumer "%s" is left behind at tick %d, with %d events waiting; as long as it is'
                " registered, the queue keeps them; remedy, unless another mover runs it:"
                " --consumer %s --unregister",
                name,
                position.tick,
                registration.waiting if registration else 0,
                shlex.quote(name),
            )

    def unregister(self) -> None:
        """`--unregister`: unregister on the source, then forget the position on the target.

        In this order: without its position, a consumer that is still registered would be
        given the batch again that the target has. Under the target's lock throughout: a mover
        that runs meanwhile finds either nothing changed or both.
        """
        with (
            on_source(self.source, self.route) as src,
            on_target(self.target, self.route) as dst,
            target.locked(dst, self.route, self.log),
        ):
            self._own_position(src, dst)
            self.log.info("Unregistering consumer from source queue")
            with translating_errors("source", self.route.source_flavour), src.transaction():
                source.lock(src, self.route)
                known = [
                    registered.consumer for registered in source.registrations(src, self.route)
                ]
                if not source.unregister(src, self.route):
                    self.log.warning(
                        "Consumer was not registered on the source queue (registered: %s)",
                        ", ".join(known) or "none",
                    )
            self._forget(src, dst)

    def rewind(self) -> None:
        """`--rewind`: move the source's position to the one on the target.

        Raises NotReadyError when there is none, or the source does not have its tick any more.
        """
        with (
            on_source(self.source, self.route) as src,
            on_target(self.target, self.route) as dst,
            target.locked(dst, self.route, self.log),
        ):
            self._identity(src)
            position, _ = self._own_position(src, dst)
            if position is None:
                raise self._no_position(src, "rewind to")
            with translating_errors("source", self.route.source_flavour), src.transaction():
                source.lock(src, self.route)
                require_same_tick(src, self.route, position)
                progress = source.progress(src, self.route)
                # There already: a batch that a mover has read, to write it with those of others,
                # stays active.
                if progress is None or progress.last_tick != position.tick:
                    source.register(src, self.route, position.tick)
        self.log.info("Rewound the source queue to tick %d", position.tick)

    def reset(self) -> None:
        """`--reset`: forget the position on the target."""
        with (
            on_source(self.source, self.route) as src,
            on_target(self.target, self.route) as dst,
            target.locked(dst, self.route, self.log),
        ):
            self._forget(src, dst)

    def accept_source(self) -> None:
        """`--accept-source`: the position on the target belongs to this source from now on.

        Raises NotReadyError when there is none.
        """
        with (
            on_source(self.source, self.route) as src,
            on_target(self.target, self.route) as dst,
            target.locked(dst, self.route, self.log),
        ):
            position, _ = self._position(dst)
            if position is None:
                raise self._no_position(src, "accept")
            identity = self._identity(src)
            with translating_errors("source", self.route.source_flavour):
                newest = source.newest_tick(src, self.route)
            mark = None
            if newest is None or position.tick > newest:
                self._warn_ahead(position, newest)
                # Should the source ever make a tick of that number, it is not the one applied.
                mark = position.mark
            target.set_position(dst, self.route, Position(position.tick, identity, mark))
        self.log.info(
            "The position, tick %d, came from %s; it belongs to %s now",
            position.tick,
            position.source or "an unknown source",
            identity,
        )

    def _warn_ahead(self, position: Position, newest: int | None) -> None:
        self.log.warning(
            "the target's tick, %d, is ahead of the source's newest, %s: the target has events that"
            " this source does not know, or the source was copied before the mover stopped; the"
            " source's events up to tick %d would count as moved; remedy: compare both queues;"
            " --reset moves all that the consumer has not finished on the source",
            position.tick,
            newest or "none",
            position.tick,
        )

    def take_over(self, old: str) -> None:
        """`--take-over`: go on in the place of another consumer of the same queue.

        Registers this one where the target has the old one and unregisters that, at once; then
        the position changes hands, at once. A crash in between leaves this one registered where
        it must go on, and a position that belongs to nobody: running it again completes it.

        Raises NotReadyError where events would be lost or doubled.
        """
        behind = replace(self.route, consumer=old)
        first, second = sorted((self.route, behind), key=lambda route: route.consumer)
        with (
            on_source(self.source, self.route) as src,
            on_target(self.target, self.route) as dst,
            target.locked(dst, first, self.log),
            target.locked(dst, second, self.log),
        ):
            self._require_intervals(src)
            identity = self._identity(src)
            remembers = self._remembers(dst)
            mine, theirs = (
                target.position(dst, route, remembers=remembers) for route in (self.route, behind)
            )
            with translating_errors("source", self.route.source_flavour), src.transaction():
                source.lock(src, first)
                source.lock(src, second)
                known = {there.consumer: there for there in source.registrations(src, self.route)}
                tick = take_over_tick(
                    self.route,
                    identity,
                    (old, known.get(old), theirs),
                    (known.get(self.route.consumer), mine),
                    lambda tick: source.mark(src, self.route, tick),
                )
                if theirs is None:
                    require_no_retries(src, behind, tick, self.log)
                mine_there = known.get(self.route.consumer)
                if mine_there is None or mine_there.tick != tick:
                    source.register(src, self.route, tick)
                source.unregister(src, behind)
            if theirs is not None:
                target.set_position(dst, self.route, theirs)
                target.forget_position(dst, behind, remembers=remembers)
            else:
                set_first_position(src, dst, self.route, identity, remembers=remembers)
        self.log.info('Took over from consumer "%s", at tick %d', old, tick)

    def _require_intervals(self, src: Connection) -> None:
        with translating_errors("source", self.route.source_flavour):
            unusable = server.unusable_intervals(src, self.limits)
        require_none(interval_findings(self.limits, unusable))
        require_usable_expressions(src, self.route)

    def _no_position(self, src: Connection, what: str) -> NotReadyError:
        way_out = (
            "start the mover, which resumes from the source's position"
            if self._is_registered(src)
            else "--register, which starts at the newest tick: it is not registered on the source"
        )
        return NotReadyError(
            f'consumer "{self.route.consumer}" has no position on the target: nothing to {what};'
            f" remedy: correct the consumer's name, or {way_out}"
        )

    def close(self) -> None:
        """Close the connections."""
        self.source.close()
        self.target.close()

    def _forget(self, src: Connection, dst: Connection) -> None:
        _, remembers = self._own_position(src, dst)
        self.log.info("Resetting queue tracking on dst side")
        target.forget_position(dst, self.route, remembers=remembers)

    def _own_position(self, src: Connection, dst: Connection) -> tuple[Position | None, bool]:
        """As `_position`. Raises NotReadyError when it belongs to another source."""
        position, remembers = self._position(dst)
        if position is not None and position.source is not None:
            identity = self._identity(src)
            if position.source != identity:
                raise NotReadyError(foreign_position(position, identity))
        return position, remembers

    def _position(self, dst: Connection) -> tuple[Position | None, bool]:
        """The position, and whether the target remembers where it came from."""
        remembers = self._remembers(dst)
        return target.position(dst, self.route, remembers=remembers), remembers

    def _remembers(self, dst: Connection) -> bool:
        """Whether the target records origins. Raises NotReadyError where it takes no position."""
        state = read_target(dst, self.route)
        found = target_findings(state, self.route, Policy())
        require_none([each for each in found if each.code in POSITION_CODES])
        return state.remembers

    def _identity(self, src: Connection) -> str:
        """Of the source. Raises NotReadyError when the queue is missing there."""
        with translating_errors("source", self.route.source_flavour):
            state = read_source(src, self.route)
            require_none(source_findings(state, self.route))
        return state.identity
