"""A consumer's registration on the source and its position on the target, changed together.

Two databases cannot change at once, so each change runs in the order that a crash in
between leaves harmless: it ends with a registration and no position (all events since
will come) or a position and no registration (the next start refuses), never with a pair
that makes a batch look as if the target had it.

Where both locks are held, the target's is taken first: two of these cannot deadlock.
"""

import logging

from queue_mover import source, target
from queue_mover.db import Connection, Database, boundary
from queue_mover.errors import NotReadyError
from queue_mover.model import Route


def register_first(
    src: Connection, dst: Connection, route: Route, log: logging.Logger, *, allowed: bool
) -> None:
    """Register at a mover's first start. Raises NotReadyError when that would lose events."""
    with src.transaction():
        source.lock(src, route)
        if source.is_registered(src, route):
            return
        with boundary("target"):
            position = target.position(dst, route)
        if position is not None:
            raise NotReadyError(
                f'consumer "{route.consumer}" is not registered on queue "{route.queue}", yet the'
                f" target has its position, tick {position}; remedy: --rewind goes on from there,"
                " --register starts anew from now"
            )
        if not allowed:
            raise NotReadyError(
                f'consumer "{route.consumer}" is not registered on queue "{route.queue}" and'
                " auto_register is off; remedy: --register"
            )
        log.info("Registering consumer on source queue")
        source.register(src, route)


def register(src_db: Database, dst_db: Database, route: Route, log: logging.Logger) -> None:
    """`--register`: register on the source; if new there, forget the position on the target.

    The position goes first: a crash before the registration leaves a consumer that is
    unknown on both sides.
    """
    with src_db.session() as src, dst_db.session() as dst:
        with target.locked(dst, route):
            if source.is_registered(src, route):
                log.info("Consumer is registered on the source queue already")
                return
            _forget(dst, route, log)
        log.info("Registering consumer on source queue")
        with boundary("source"):
            source.register(src, route)


def unregister(src_db: Database, dst_db: Database, route: Route, log: logging.Logger) -> None:
    """`--unregister`: unregister on the source, then forget the position on the target.

    In this order: without its position, a consumer that is still registered would be
    given the batch again that the target has.
    """
    log.info("Unregistering consumer from source queue")
    with src_db.session() as src, src.transaction():
        source.lock(src, route)
        if not source.unregister(src, route):
            log.warning("Consumer was not registered on the source queue")
    with dst_db.session() as dst, target.locked(dst, route):
        _forget(dst, route, log)


def rewind(src_db: Database, dst_db: Database, route: Route, log: logging.Logger) -> None:
    """`--rewind`: move the source's position to the one on the target.

    Raises NotReadyError when the source does not have that tick any more.
    """
    with dst_db.session() as dst, target.locked(dst, route):
        position = target.position(dst, route)
        if position is None:
            log.warning("No tick found on dst side")
            return
        with src_db.session() as src, src.transaction():
            source.lock(src, route)
            source.register(src, route, position)
    log.info("Rewound the source queue to tick %d", position)


def reset(dst_db: Database, route: Route, log: logging.Logger) -> None:
    """`--reset`: forget the position on the target."""
    with dst_db.session() as dst, target.locked(dst, route):
        _forget(dst, route, log)


def _forget(dst: Connection, route: Route, log: logging.Logger) -> None:
    log.info("Resetting queue tracking on dst side")
    target.set_position(dst, route, None)
