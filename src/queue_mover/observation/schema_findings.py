"""Whether the schemas of a target fit this program: pure functions of its state."""

from collections.abc import Sequence

from queue_mover.model import Route
from queue_mover.observation.findings import Code, Finding, Place, Severity
from queue_mover.observation.side_states import TargetState
from queue_mover.observation.sides import (
    ACTIVITY_FUNCTION,
    CONSUMERS_FUNCTION,
    EVENT_IDS_FUNCTION,
    LOCK_FUNCTION,
    SET_ROUTE_FUNCTION,
)
from queue_mover.pgq.schema_version import SCHEMA_VERSION

INSTALL = "pgqadm.py CONFIG install"
UPGRADE = "upgrade queue_mover on this machine"

WITHOUT = {
    CONSUMERS_FUNCTION: "a consumer that was renamed is not recognised",
    ACTIVITY_FUNCTION: "the status shows neither the rate nor the last error",
    LOCK_FUNCTION: "small batches of several sources do not share transactions",
    SET_ROUTE_FUNCTION: "a loop of movers is not noticed",
    EVENT_IDS_FUNCTION: "keep_event_id cannot be used",
}
"""What does not work without a function of the schema."""


def schema_findings(state: TargetState, route: Route) -> Sequence[Finding]:
    """What an older schema cannot do, or that it is newer than this program: a mover works with
    either."""
    if not (state.has_pgq and state.has_pgq_ext):
        return ()
    if not state.remembers:
        return (_without_origins(state, route),)
    if state.schema.is_newer:
        return (_newer(state, route),)
    return (_older(state, route),) if state.schema.is_older else ()


def _without_origins(state: TargetState, route: Route) -> Finding:
    return Finding(
        Code.ORIGINS_NOT_RECORDED,
        _place(route),
        "target database: "
        + ("schema queue_mover is too old" if state.has_origins else "no schema queue_mover")
        + ": the target does not remember which source a position came from, and another source"
        " with the same consumer_name would not be noticed",
        INSTALL,
        severity=Severity.WARNING,
    )


def _newer(state: TargetState, route: Route) -> Finding:
    return Finding(
        Code.SCHEMA_VERSION,
        _place(route),
        f"target database: schema queue_mover is of version {state.schema.version}, newer than this"
        f" program's {SCHEMA_VERSION}, and used like that",
        UPGRADE,
        severity=Severity.WARNING,
    )


def _older(state: TargetState, route: Route) -> Finding:
    lacks = [what for name, what in WITHOUT.items() if name in state.schema.lacks]
    losses = ", ".join(lacks) or "its functions lack corrections"
    version = state.schema.version or "an earlier version"
    return Finding(
        Code.SCHEMA_VERSION,
        _place(route),
        f"target database: schema queue_mover is of {version}, older than this program's"
        f" {SCHEMA_VERSION}: {losses}",
        INSTALL,
        severity=Severity.WARNING,
    )


def _place(route: Route) -> Place:
    return Place(queue=route.target_queue, side="target")
