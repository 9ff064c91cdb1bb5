"""Which findings of `--check` the switch --fix may repair: pure functions.

A repair adds what is missing, but never a position: that could lose or duplicate events.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from queue_mover.observation.environment_findings import Surroundings
from queue_mover.observation.event_ids import event_id_findings
from queue_mover.observation.findings import Code, Finding
from queue_mover.observation.side_findings import (
    same_queue_finding,
    source_findings,
    target_findings,
)
from queue_mover.postgres.conninfo import describe


class RepairKind(Enum):
    """What is done; the values are part of the JSON shape."""

    INSTALL = "install"
    IDENTIFY = "install_identity"
    CREATE = "create_queue"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair, for the first of the sources that need it."""

    kind: RepairKind
    text: str
    """In words, with the place."""
    found: Surroundings


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repair that was tried."""

    repair: Repair
    error: str = ""
    """Why it could not be made; empty: it was."""


def repairs(surroundings: Iterable[Surroundings]) -> list[Repair]:
    """What to repair, in the order in which it must be done, without duplicates."""
    every = list(surroundings)
    todo = [repair for step in STEPS for found in every for repair in step(found)]
    return list({repair.text: repair for repair in reversed(todo)}.values())[::-1]


def _install(found: Surroundings) -> Sequence[Repair]:
    """The schemas that store positions, if PgQ is installed."""
    mover, state = found.status.mover, found.status.target
    if state is None or found.target is None:
        return ()
    ids = found.status.event_ids
    is_complete = state.has_pgq_ext and state.remembers and (ids is None or ids.kept.installed)
    is_complete = is_complete and not state.schema.is_older
    if not found.target.schemas.pgq_is_installed or is_complete or _is_closed(found, "target"):
        return ()
    text = f"install pgq_ext and queue_mover in {describe(mover.dst_db)}"
    return (Repair(RepairKind.INSTALL, text, found),)


def _identify(found: Surroundings) -> Sequence[Repair]:
    """An identity for a source whose server's identity cannot be read."""
    mover, state = found.status.mover, found.status.source
    if state is None or not state.unidentified:
        return ()
    if "install" not in state.unidentified or _is_closed(found, "source"):
        return ()
    text = f"install schema queue_mover, with an identity, in {describe(mover.src_db)}"
    return (Repair(RepairKind.IDENTIFY, text, found),)


def _create(found: Surroundings) -> Sequence[Repair]:
    """The target queue, if the source queue exists, whose settings it gets."""
    mover = found.status.mover
    if mover.route.split_field:
        # Its name is in the events.
        return ()
    if found.source is None or found.source.queue is None or found.target is None:
        return ()
    if not mover.route.target_flavour.allows(mover.route.target_queue):
        return ()
    if not found.target.schemas.pgq_is_installed or found.target.queue is not None:
        return ()
    if _is_closed(found, "target"):
        return ()
    text = (
        f'create queue "{mover.route.target_queue}" in {describe(mover.dst_db)}, with the settings'
        f' of "{mover.route.queue}"'
    )
    return (Repair(RepairKind.CREATE, text, found),)


def _register(found: Surroundings) -> Sequence[Repair]:
    """A new consumer: neither side knows it, or a predecessor of it."""
    status = found.status
    if not status.readable or status.source is None or status.queue is None:
        return ()
    if status.consumer is not None or status.position is not None or status.left_behind:
        return ()
    if _is_hindered(found):
        return ()
    route = status.mover.route
    text = (
        f'register consumer "{route.consumer}" on queue "{route.queue}" in'
        f" {describe(status.mover.src_db)}"
    )
    return (Repair(RepairKind.REGISTER, text, found),)


def _is_hindered(found: Surroundings) -> bool:
    """Whether a finding remains that no other repair fixes: a mover would not start."""
    status, mover = found.status, found.status.mover
    if status.source is None or status.target is None or status.unusable_intervals:
        return True
    kinds = {repair.kind for step in BEFORE for repair in step(found)}
    same = same_queue_finding(mover.route, same_database=status.same_database)
    wrong = [
        *source_findings(status.source, mover.route),
        *target_findings(status.target, mover.route, mover.policy),
        *([same] if same else []),
        *(event_id_findings(status.event_ids, mover.route) if status.event_ids else ()),
    ]
    return not all(_repairs(kinds, finding) for finding in wrong)


def _is_closed(found: Surroundings, side: str) -> bool:
    """Whether a side takes no writes."""
    status = found.status
    state = status.source if side == "source" else status.target
    return state is None or state.server.standby or state.server.read_only


BEFORE = (_install, _identify, _create)
STEPS = (*BEFORE, _register)

ON_TARGET = (RepairKind.INSTALL, RepairKind.CREATE)
REPAIRS = {
    RepairKind.INSTALL: (Code.NOT_INSTALLED, Code.ORIGINS_NOT_RECORDED, Code.SCHEMA_VERSION),
    RepairKind.IDENTIFY: (Code.IDENTITY_NOT_READABLE,),
    RepairKind.CREATE: (Code.QUEUE_MISSING,),
    RepairKind.REGISTER: (Code.CONSUMER_NOT_REGISTERED,),
}


def is_repairable(finding: Finding, found: Surroundings) -> bool:
    """Whether one of the repairs of a source fixes a finding about it."""
    return _repairs({repair.kind for repair in repairs([found])}, finding)


def _repairs(kinds: Iterable[RepairKind], finding: Finding) -> bool:
    on_target = finding.place.side == "target"
    return any(finding.code in REPAIRS[kind] and on_target is (kind in ON_TARGET) for kind in kinds)
