"""What must hold before a mover starts, or a registration or a position changes."""

from collections.abc import Mapping
from importlib import import_module

from queue_mover.errors import NotReadyError
from queue_mover.model import Position, Route
from queue_mover.moving.decision import rewritten
from queue_mover.moving.takeover import taken_over
from queue_mover.observation.left_behind import LeftBehind
from queue_mover.observation.side_findings import require_none, same_queue_finding
from queue_mover.pgq import server, source
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors


def require_two_queues(src: Connection, dst: Connection, route: Route) -> None:
    """Raise NotReadyError when a queue would be moved into itself."""
    if route.has_one_name:
        found = same_queue_finding(route, same_database=server.is_same_database(src, dst, route))
        require_none([found] if found else [])


def require_usable_expressions(src: Connection, route: Route) -> None:
    """Raise NotReadyError for the first SQL expression of a route that the source refuses."""
    if route.expressions:
        # Imported when used: a start does not wait for it.
        import_module("queue_mover.observation.expression_findings").require_expressions(src, route)


def require_same_tick(src: Connection, route: Route, position: Position) -> None:
    """Raise NotReadyError where the source's tick of the position's number is another one: resuming
    from there would leave out the events before it."""
    mark = source.mark(src, route, position.tick)
    if mark is not None and position.mark not in (None, mark):
        raise NotReadyError(
            f"Lost position: {rewritten(position.tick)}; remedy: compare both queues, then"
            f" --accept-source counts the source's events up to tick {position.tick} as moved,"
            " --reset resumes from the source's position (repeating what the target already has)"
        )


def require_taken_over(
    src: Connection, route: Route, left_behind: Mapping[str, LeftBehind]
) -> None:
    """Raise NotReadyError for a registered consumer without a position, if a --take-over was
    interrupted: events may still be moved under its old name."""
    with translating_errors("source", route.source_flavour):
        progress = source.progress(src, route)
    old = taken_over(progress.last_tick, left_behind) if progress else None
    if old is not None:
        _, position = left_behind[old]
        raise NotReadyError(
            f'consumer "{route.consumer}" has no position on the target, which has one of consumer'
            f' "{old}", tick {position.tick}, that is not registered: --take-over was interrupted;'
            f" remedy: repeat --take-over {old}; if it was not, --consumer {old} --unregister"
            " forgets the other one"
        )
