"""A consumer's registration on the source and its position on the target, changed together.

Two databases cannot change at once, so each change runs in the order that a crash in
between leaves harmless: it ends with a registration and no position (all events since
will come) or a position and no registration (the next start refuses), never with a pair
that makes a batch look as if the target had it.

Where both locks are held, the target's is taken first: two of these cannot deadlock.
"""

from dataclasses import dataclass

from queue_mover import server, source, target
from queue_mover.db import Connection, Sessions, boundary
from queue_mover.decision import foreign_position
from queue_mover.errors import NotReadyError
from queue_mover.model import Log, Position, Route


@dataclass(frozen=True, slots=True)
class Registrar:
    """The switches that change a consumer's registration and position."""

    route: Route
    source: Sessions
    target: Sessions
    log: Log

    def register(self) -> None:
        """`--register`: register on the source; if new there, forget the position on the target.

        The position goes first: a crash before the registration leaves a consumer that is
        unknown on both sides.
        """
        with self.source.session() as src, self.target.session() as dst:
            self._identity(src)
            server.require_two_queues(src, dst, self.route)
            with target.locked(dst, self.route, self.log):
                with boundary("source"):
                    if source.is_registered(src, self.route):
                        self.log.info("Consumer is registered on the source queue already")
                        return
                self._forget(src, dst)
            self.log.info("Registering consumer on source queue")
            with boundary("source"):
                source.register(src, self.route)

    def unregister(self) -> None:
        """`--unregister`: unregister on the source, then forget the position on the target.

        In this order: without its position, a consumer that is still registered would be
        given the batch again that the target has.
        """
        with self.source.session() as src, self.target.session() as dst:
            self._own_position(src, dst)
            self.log.info("Unregistering consumer from source queue")
            with boundary("source"), src.transaction():
                source.lock(src, self.route)
                if not source.unregister(src, self.route):
                    self.log.warning("Consumer was not registered on the source queue")
            with target.locked(dst, self.route, self.log):
                self._forget(src, dst)

    def rewind(self) -> None:
        """`--rewind`: move the source's position to the one on the target.

        Raises NotReadyError when the source does not have that tick any more.
        """
        with (
            self.source.session() as src,
            self.target.session() as dst,
            target.locked(dst, self.route, self.log),
        ):
            self._identity(src)
            position, _ = self._own_position(src, dst)
            if position is None:
                self.log.warning("No tick found on dst side")
                return
            with boundary("source"), src.transaction():
                source.lock(src, self.route)
                source.register(src, self.route, position.tick)
        self.log.info("Rewound the source queue to tick %d", position.tick)

    def reset(self) -> None:
        """`--reset`: forget the position on the target."""
        with (
            self.source.session() as src,
            self.target.session() as dst,
            target.locked(dst, self.route, self.log),
        ):
            self._forget(src, dst)

    def accept_source(self) -> None:
        """`--accept-source`: the position on the target belongs to this source from now on."""
        with (
            self.source.session() as src,
            self.target.session() as dst,
            target.locked(dst, self.route, self.log),
        ):
            position, _ = self._position(dst)
            if position is None:
                self.log.warning("No tick found on dst side")
                return
            identity = self._identity(src)
            with boundary("source"):
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
        remembers = target.inspect(dst, self.route).remembers
        return target.position(dst, self.route, remembers=remembers), remembers

    def _identity(self, src: Connection) -> str:
        """Of the source. Raises NotReadyError when the queue is missing there."""
        with boundary("source"):
            state = source.inspect(src, self.route)
            source.check(state, self.route)
        return state.identity
