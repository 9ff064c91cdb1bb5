"""Whether the schemas of a target fit this program: pure functions of its state."""

from collections.abc import Sequence

from queue_mover.model import Route
from queue_mover.observation.findings import Code, Finding, Place, Severity
from queue_mover.observation.sides import (
    ACTIVITY_FUNCTION,
    CONSUMERS_FUNCTION,
    EVENT_IDS_FUNCTION,
    LOCK_FUNCTION,
    SET_ROUTE_FUNCTION,
    TargetState,
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
    place = Place(queue=route.target_queue, side="target")
    version = state.schema.version
    if not state.remembers:
        what = "schema queue_mover is of an older version" if state.has_origins else ""
        return (
            Finding(
                Code.ORIGINS_NOT_RECORDED,
                place,
                f"target database: {what or 'no schema queue_mover'}: it does not remember which"
                " source a position came from, and another source with the same consumer_name"
                " would not be noticed",
                INSTALL,
                severity=Severity.WARNING,
            ),
        )
    if state.schema.is_newer:
        text = f"version {version}, newer than this program's {SCHEMA_VERSION}; it is used as that"
        remedy = UPGRADE
    elif state.schema.is_older:
        lacks = [what for name, what in WITHOUT.items() if name in state.schema.lacks]
        text = f"an older version{f' ({version})' if version else ''} than {SCHEMA_VERSION}"
        text += f": {', '.join(lacks)}" if lacks else ", without its corrections"
        remedy = INSTALL
    else:
        return ()
    return (
        Finding(
            Code.SCHEMA_VERSION,
            place,
            f"target database: schema queue_mover is of {text}",
            remedy,
            severity=Severity.WARNING,
        ),
    )
