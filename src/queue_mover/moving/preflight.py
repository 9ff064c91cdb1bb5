"""The look at both sides before the first batch, and after every error."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from queue_mover.copying import copy
from queue_mover.errors import NotReadyError, UnregisteredError
from queue_mover.model import Batch, Log, Policy, Position, Route
from queue_mover.moving.decision import foreign_position
from queue_mover.moving.takeover import LeftBehind, explain_left_behind, left_behind
from queue_mover.pgq import server, source, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

Running = Callable[[], Collection[str]]
"""The consumers of the same source queue that this process runs for the same target, as of now."""


@dataclass(frozen=True, slots=True)
class Preflight:
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
    policy: Policy,
    log: Log,
    running: Running,
    *,
    first: bool,
) -> Preflight:
    """Check both sides, and register the consumer when it is new.

    `first`: whether the mover has just started. Later it registers nobody, since an operator
    who unregisters its consumer means it, and it does not warn again.

    Raises NotReadyError, with the remedy, when a batch could not be moved; UnregisteredError
    when the consumer of a mover that is not new has gone from both sides.
    """
    there = target.inspect(dst, route)
    target.check(there, route, inserts=policy.insert)
    server.require_transaction_ids(dst, route.target_queue, "target")
    with translating_errors("source"):
        here = source.inspect(src, route)
        source.check(here, route)
        server.require_transaction_ids(src, route.queue, "source")
        server.require_two_queues(src, dst, route)
        if not here.registered and not first:
            with translating_errors("target"):
                position = target.settled_position(dst, route, remembers=there.remembers)
            raise unregistered(route, position, here.identity)
        if here.registered:
            with translating_errors("target"):
                position = target.position(dst, route, remembers=there.remembers)
        else:
            with src.transaction():
                source.lock(src, route)
                position = None
                check_new(src, dst, route, here.identity, running, there.remembers)
                if not policy.auto_register:
                    raise NotReadyError(
                        f'consumer "{route.consumer}" is not registered on queue "{route.queue}"'
                        " and auto_register is off; remedy: --register"
                    )
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
    return Preflight(
        here.identity,
        copy.common_encoding(here.encoding, there.encoding),
        there.remembers,
        unknown_origin=there.remembers and position is not None and position.source is None,
    )


def check_new(
    src: Connection,
    dst: Connection,
    route: Route,
    identity: str,
    running: Running,
    remembers: bool,
) -> None:
    """Raise NotReadyError when a consumer that is not registered has moved events, under its own
    name or another one: registered at the newest tick it would leave some out."""
    with translating_errors("target"):
        position = target.position(dst, route, remembers=remembers)
    check_position(route, position, identity)
    behind = find_left_behind(src, dst, route, identity, running, remembers)
    if behind:
        raise NotReadyError(explain_left_behind(route, behind))


def find_left_behind(
    src: Connection,
    dst: Connection,
    route: Route,
    identity: str,
    running: Running,
    remembers: bool,
) -> dict[str, LeftBehind]:
    """Which consumers moved this queue to this target and have nobody to go on for them."""
    with translating_errors("source"):
        registrations = source.registrations(src, route)
    names = [registration.consumer for registration in registrations]
    with translating_errors("target"):
        positions = target.positions(dst, names, identity, remembers=remembers)
    return left_behind(registrations, positions, identity, {route.consumer, *running()})


def check_position(route: Route, position: Position | None, identity: str) -> None:
    """Raise NotReadyError when a consumer that is not registered has a position."""
    if position is not None and position.source not in (None, identity):
        raise NotReadyError(foreign_position(position, identity))
    if position is not None:
        raise NotReadyError(
            f'consumer "{route.consumer}" is not registered on queue "{route.queue}", yet the'
            f" target has its position, tick {position.tick}; remedy: --rewind goes on from there,"
            " --register starts anew from now"
        )


def unregistered(route: Route, position: Position | None, identity: str) -> Exception:
    """What to raise when the consumer of a running mover is not registered any more.

    With its position gone as well it was taken away on purpose, as --unregister and
    --take-over do; else somebody may bring it back.
    """
    try:
        check_position(route, position, identity)
    except NotReadyError as error:
        return error
    return UnregisteredError(
        f'consumer "{route.consumer}" was unregistered from queue "{route.queue}": its mover ends;'
        " started again, it would register anew and begin at the newest tick"
    )
