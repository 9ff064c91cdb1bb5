"""The look at both sides before the first batch, and after every error."""

from dataclasses import dataclass

from queue_mover import copy, server, source, target
from queue_mover.db import Connection, boundary
from queue_mover.decision import foreign_position
from queue_mover.errors import NotReadyError
from queue_mover.model import Batch, BatchLimits, Log, Policy, Position, Route
from queue_mover.target import TargetState


@dataclass(frozen=True, slots=True)
class Ground:
    """What was learnt about both sides; good until the next error."""

    identity: str
    """Of the source."""
    encoding: str
    """For both COPYs."""
    remembers: bool
    """Whether the target can tell where a position came from."""
    unknown_origin: bool
    """Whether it cannot tell where this position came from: another program left it."""

    def reached(self, batch: Batch) -> Position:
        """The position after a batch."""
        if not self.remembers:
            return Position(batch.end.id)
        return Position(batch.end.id, self.identity, batch.end.mark)


def prepare(
    src: Connection,
    dst: Connection,
    route: Route,
    limits: BatchLimits,
    policy: Policy,
    log: Log,
    *,
    first: bool,
) -> Ground:
    """Check both sides, and register the consumer when it is new.

    `first`: whether the mover has just started. Later it registers nobody, since an operator
    who unregisters its consumer means it, and it does not warn again.

    Raises NotReadyError, with the remedy, when a batch could not be moved.
    """
    there = target.inspect(dst, route)
    target.check(there, route, inserts=policy.insert)
    server.require_transaction_ids(dst, route.target_queue, "target")
    with boundary("source"):
        here = source.inspect(src, route)
        source.check(here, route)
        server.require_intervals(src, limits)
        server.require_transaction_ids(src, route.queue, "source")
        server.require_two_queues(src, dst, route)
        if here.registered:
            position = _position(dst, route, there)
        else:
            with src.transaction():
                source.lock(src, route)
                position = _position(dst, route, there)
                obstacle = "" if policy.auto_register else "auto_register is off"
                if not first:
                    obstacle = "it was unregistered while the mover ran"
                check_first(route, position, here.identity, obstacle)
                log.info("Registering consumer on source queue")
                source.register(src, route)
    if first and policy.insert:
        log.warning("write_with = insert_event: ev_time becomes the time of arrival")
    if first and not there.remembers:
        log.warning(
            "the target does not remember which source a position came from:"
            " another source with the same consumer_name would not be noticed;"
            " remedy: pgqadm.py CONFIG install"
        )
    return Ground(
        here.identity,
        copy.common_encoding(here.encoding, there.encoding),
        there.remembers,
        unknown_origin=there.remembers and position is not None and position.source is None,
    )


def _position(dst: Connection, route: Route, state: TargetState) -> Position | None:
    with boundary("target"):
        return target.position(dst, route, remembers=state.remembers)


def check_first(route: Route, position: Position | None, identity: str, obstacle: str) -> None:
    """Raise NotReadyError when a mover may not register its consumer by itself.

    `obstacle`: why not, in words, whatever the position; empty: nothing of that kind.
    """
    if position is not None and position.source not in (None, identity):
        raise NotReadyError(foreign_position(position, identity))
    if position is not None:
        raise NotReadyError(
            f'consumer "{route.consumer}" is not registered on queue "{route.queue}", yet the'
            f" target has its position, tick {position.tick}; remedy: --rewind goes on from there,"
            " --register starts anew from now"
        )
    if obstacle:
        raise NotReadyError(
            f'consumer "{route.consumer}" is not registered on queue "{route.queue}" and'
            f" {obstacle}; remedy: --register"
        )
