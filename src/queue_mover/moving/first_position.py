"""The position of a consumer that has not moved a batch yet: the tick of its registration.

It records on the target, from the registration on, which consumer reads the source queue, so that a
consumer renamed before its first batch is found.
"""

from queue_mover.model import Log, Position, Route
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
