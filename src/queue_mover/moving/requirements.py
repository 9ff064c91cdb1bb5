"""What must hold before a mover starts, or a registration or a position changes."""

from importlib import import_module

from queue_mover.errors import NotReadyError
from queue_mover.model import Log, Position, Route
from queue_mover.moving.decision import rewritten
from queue_mover.moving.takeover import taken_over
from queue_mover.observation.left_behind import Others
from queue_mover.observation.side_findings import require_none, same_queue_finding
from queue_mover.pgq import retries, server, source
from queue_mover.postgres.connection import Connection


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


def require_taken_over(route: Route, others: Others) -> None:
    """Raise NotReadyError for a registered consumer without a position, if a --take-over was
    interrupted: events may still be moved under its old name."""
    old = taken_over(others.own.tick, others.left_behind) if others.own else None
    if old is not None:
        _, position = others.left_behind[old]
        raise NotReadyError(
            f'consumer "{route.consumer}" has no position on the target, which has one of consumer'
            f' "{old}", tick {position.tick}, that is not registered: --take-over was interrupted;'
            f" remedy: repeat --take-over {old}; if it was not, --consumer {old} --unregister"
            " forgets the other one"
        )


def require_no_retries(src: Connection, route: Route, tick: int, log: Log) -> None:
    """Raise NotReadyError where the old consumer, of this route, has events to retry: they would be
    dropped with it. Logs a warning where that cannot be read. `tick`: up to which it has read."""
    found = retries.read(src, route, tick)
    if found is None:
        return
    name, schema = route.consumer, route.source_flavour.schema
    if found.waiting is None:
        log.warning(
            'the role may not read %s.retry_queue: events that consumer "%s" was to retry are'
            " dropped with it; a mover has none",
            schema,
            name,
        )
    if count := found.due + (found.waiting or 0):
        tables = {found.table: found.due, f"{schema}.retry_queue": found.waiting}
        drops = "; ".join(
            f"DELETE FROM {table} WHERE ev_owner = {found.owner}"
            for table, events in tables.items()
            if events
        )
        raise NotReadyError(
            f'consumer "{name}" has events to retry ({count}), which nobody else would get; remedy:'
            f" let it retry them first, or drop them: {drops}"
        )
