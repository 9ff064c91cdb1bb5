"""The position of a consumer that has not moved a batch yet: the tick of its registration.

It records on the target, from the registration on, which consumer reads the source queue, so that a
consumer renamed before its first batch is found.
"""

from queue_mover.model import Batch, Log, Position, Route
from queue_mover.observation.left_behind import Others
from queue_mover.pgq import source, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors


def set_first_position(
    src: Connection, dst: Connection, route: Route, identity: str, *, remembers: bool
) -> None:
    """Set the position of a registered consumer that has none. `identity`: of the source queue.

    Not while a batch is active: after --reset, a mover that still runs may have applied it, and
    finishes it next. That batch sets the position when it is moved. Without an active batch none
    is applied but unfinished, and under the consumer's lock on the target none is in progress.
    """

    def first() -> Position | None:
        with translating_errors("source", route.source_flavour):
            known = {each.consumer: each for each in source.registrations(src, route)}
            registration = known.get(route.consumer)
            if registration is None or registration.batch_end is not None:
                return None
            mark = source.mark(src, route, registration.tick)
        if not remembers:
            return Position(registration.tick)
        return Position(registration.tick, identity, mark) if mark else None

    with translating_errors("target", route.target_flavour):
        target.set_first_position(dst, route, first, remembers=remembers)


def warn_without_position(others: Others, log: Log) -> None:
    """Log which consumers may be the former name of one that registers: nothing else shows it."""
    if not others.without_position:
        return
    log.warning(
        "other consumers of this queue have no position on this target: %s; if one of them is the"
        " old name of this one, its events are not moved; remedy: --unregister, then"
        " --take-over OLD",
        ", ".join(
            f'"{each.consumer}" ({each.waiting} events waiting)' for each in others.without_position
        ),
    )


def log_no_position(log: Log) -> None:
    """Log that a registered consumer has none on the target, where the events may be missing."""
    log.info(
        "no position on the target for this consumer: resuming from its registration; if it has"
        " moved events before and nobody has used --reset, compare both queues"
    )


def warn_position_gone(batch: Batch, log: Log) -> None:
    """Log that a batch is applied without one, though its mover has set one before."""
    log.warning(
        "the position on the target is gone, as after --reset: applying ticks %d..%d",
        batch.start.id,
        batch.end.id,
    )


def log_left_out(src: Connection, route: Route, log: Log) -> None:
    """Log how many events a consumer that has just registered will not get."""
    tick, earlier = source.events_before(src, route)
    if earlier > 0:
        log.info(
            "registered at tick %d: about %d earlier events of the queue are not moved",
            tick,
            earlier,
        )
