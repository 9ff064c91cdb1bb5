"""Whether a mover with keep_event_id can keep the IDs: read from both sides, then judged.

IDs in a queue stay unique if one source alone assigns them, and those that the queue had before are
lower.
"""

from dataclasses import dataclass

from queue_mover.model import Position, Route, Tick
from queue_mover.observation.findings import Code, Finding, Place
from queue_mover.pgq import event_ids, source
from queue_mover.pgq.event_ids import KeptEventIds
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import quote_ident, quote_literal
from queue_mover.postgres.translation import translating_errors

INSTALL = "pgqadm.py CONFIG install"


@dataclass(frozen=True, slots=True)
class EventIdState:
    """The state of a target queue, and where its mover continues."""

    kept: KeptEventIds
    role: str
    """Ours, on the target."""
    reached: int | None = None
    """The event number of the source at the tick from which the mover continues; None: unknown, or
    of no importance."""


def read_event_ids(
    src: Connection, dst: Connection, route: Route, position: Position | None
) -> EventIdState:
    """Read the state for a route that keeps IDs, whose position on the target is given."""
    with translating_errors("target", route.target_flavour):
        kept = event_ids.read(dst, route)
    role = dst.info.user
    if kept.continues or not kept.highest:
        return EventIdState(kept, role)
    with translating_errors("source", route.source_flavour):
        return EventIdState(kept, role, _reached(src, route, position))


def _reached(src: Connection, route: Route, position: Position | None) -> int | None:
    tick = position.tick if position else None
    if tick is None:
        known = {each.consumer: each.tick for each in source.registrations(src, route)}
        tick = known.get(route.consumer, source.newest_tick(src, route))
    mark = None if tick is None else source.mark(src, route, tick)
    return Tick(tick, mark).event if tick is not None and mark else None


def event_id_findings(state: EventIdState, route: Route) -> list[Finding]:
    """Why the IDs cannot be kept; at most one finding."""
    found = _installation(state, route) or _writers(state.kept, route) or _collision(state, route)
    return [found] if found else []


def _place(route: Route) -> Place:
    return Place(queue=route.target_queue, side="target")


def _installation(state: EventIdState, route: Route) -> Finding | None:
    kept, role = state.kept, quote_ident(state.role)
    if not kept.installed:
        text = "target database: its schema queue_mover is missing, or too old for keep_event_id"
        return Finding(Code.NOT_INSTALLED, _place(route), text, INSTALL)
    if not kept.may_keep:
        text = f"target database: role {role} may not set event IDs"
        remedy = f"GRANT {route.target_flavour.admin} TO {role}"
        return Finding(Code.PRIVILEGE_MISSING, _place(route), text, remedy)
    if kept.may_advance is False:
        text = (
            "target database: queue_mover.keep_event_ids may not change the sequence of event IDs"
            f' of queue "{route.target_queue}", since its owner does not own the queue'
        )
        remedy = "as a superuser: ALTER FUNCTION queue_mover.keep_event_ids OWNER TO CURRENT_USER"
        return Finding(Code.PRIVILEGE_MISSING, _place(route), text, remedy)
    return None


def _writers(kept: KeptEventIds, route: Route) -> Finding | None:
    """Somebody else who writes to the queue."""
    queue = route.target_queue
    if kept.owner_is_active and kept.owner != route.consumer:
        return _finding(
            route,
            f'target database: queue "{queue}" has the event IDs of another source, consumer'
            f' "{kept.owner}" ({kept.source}): those of this one would collide with them',
            "set another dst_queue_name, or keep_event_id = 0 for both; if the other one has ended"
            f" for good: --consumer {kept.owner} --unregister",
        )
    if kept.strange is not None:
        return _finding(
            route,
            f'target database: event {kept.strange} of queue "{queue}" was written by somebody'
            " else: a local producer, or a mover without keep_event_id; its ID will collide with"
            " one of the source",
            f"stop that, then {_forget(route)}; or set keep_event_id = 0",
        )
    return None


def _collision(state: EventIdState, route: Route) -> Finding | None:
    """Events that the queue had before, with IDs that the source is about to use."""
    highest, reached = state.kept.highest, state.reached
    if not highest or reached is None or highest <= reached:
        return None
    queue = route.target_queue
    return _finding(
        route,
        f'target database: queue "{queue}" has events with IDs up to {highest}, and those of the'
        f" source continue from {reached + 1}: they would collide",
        "set another dst_queue_name, or wait until the consumers have finished those events and"
        " rotation has removed them; or set keep_event_id = 0",
    )


def _finding(route: Route, text: str, remedy: str) -> Finding:
    return Finding(Code.EVENT_IDS, _place(route), text, remedy)


def _forget(route: Route) -> str:
    """What lets the next start judge the queue afresh."""
    return f"DELETE FROM queue_mover.event_ids WHERE queue = {quote_literal(route.target_queue)}"
