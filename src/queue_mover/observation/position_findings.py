"""Findings about a consumer's registration and its position: pure functions.

`command` turns a switch into the command to run; a mover's log names only the switch.
"""

import shlex
from collections.abc import Callable, Mapping

from queue_mover.model import Policy, Position, Route
from queue_mover.observation.findings import REMEDY, Code, Finding, source_place
from queue_mover.observation.left_behind import LeftBehind

Command = Callable[[str], str]


def orphan_findings(
    route: Route, position: Position | None, identity: str, command: Command = str
) -> list[Finding]:
    """Findings about a consumer that has a position but is not registered.

    `identity`: of the source queue; empty: unknown.
    """
    found = (foreign_finding(route, position, identity), _orphaned(route, position, command))
    return [finding for finding in found if finding]


def newcomer_findings(
    route: Route, policy: Policy, left_behind: Mapping[str, LeftBehind], command: Command = str
) -> list[Finding]:
    """What prevents the automatic registration of a consumer without a position."""
    found = (_left_behind(route, left_behind, command), _auto_register_off(route, policy, command))
    return [finding for finding in found if finding]


def foreign_position(position: Position, source: str) -> str:
    """The message for a position that came from another source."""
    return _foreign_text(position, source) + REMEDY + FOREIGN_REMEDY


FOREIGN_REMEDY = (
    "give each source its own consumer_name; if it is the same queue, moved or upgraded:"
    " --accept-source"
)


def foreign_finding(route: Route, position: Position | None, identity: str) -> Finding | None:
    """A position that came from another source."""
    if position is None or position.source is None or position.source == identity or not identity:
        return None
    text = _foreign_text(position, identity)
    return Finding(Code.POSITION_OF_ANOTHER_SOURCE, source_place(route), text, FOREIGN_REMEDY)


def _foreign_text(position: Position, source: str) -> str:
    return (
        f"the position on the target, tick {position.tick}, belongs to another source"
        f" ({position.source}), not to this one ({source})"
    )


def _orphaned(route: Route, position: Position | None, command: Command) -> Finding | None:
    if position is None:
        return None
    return Finding(
        Code.CONSUMER_NOT_REGISTERED,
        source_place(route),
        f'consumer "{route.consumer}" is not registered on queue "{route.queue}", yet the target'
        f" has its position, tick {position.tick}",
        f"{command('--rewind')} resumes from there, --register starts again at the newest tick",
    )


def _left_behind(route: Route, found: Mapping[str, LeftBehind], command: Command) -> Finding | None:
    if not found:
        return None
    others = "; ".join(
        f'"{name}" has, up to tick {position.tick}, '
        + (f"{registration.waiting} events waiting" if registration else "now unregistered")
        for name, (registration, position) in found.items()
    )
    old = next(iter(found)) if len(found) == 1 else "OLD"
    take_over = command(f"--take-over {shlex.quote(old)}")
    return Finding(
        Code.CONSUMER_LEFT_BEHIND,
        source_place(route),
        f'consumer "{route.consumer}" has not moved queue "{route.queue}" to this target before,'
        f" but {others}",
        f"consumer_name = {old} resumes from there, {take_over} takes that"
        " position over, --register starts again at the newest tick",
    )


def _auto_register_off(route: Route, policy: Policy, command: Command) -> Finding | None:
    if policy.auto_register:
        return None
    return Finding(
        Code.CONSUMER_NOT_REGISTERED,
        source_place(route),
        f'consumer "{route.consumer}" is not registered on queue "{route.queue}" and auto_register'
        " is off",
        command("--register"),
    )
