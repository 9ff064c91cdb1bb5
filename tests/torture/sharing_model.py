"""A batch in a transaction that other consumers share, as states of one consumer.

The others cannot be seen from it: each has its own lock, row and decision, and all of them commit
together or not at all.
"""

from collections.abc import Generator
from dataclasses import dataclass

from queue_mover.model import Batch, Position
from queue_mover.moving.decision import Decision, decide
from tests.torture.model import HERE, World


@dataclass(frozen=True)
class Sharing:
    """What can be taken away from it."""

    only_active: bool = True
    """Read a batch only while it is active on the source."""
    lock: bool = True
    row_lock: bool = True
    """Lock the position with the consumer, until the commit."""
    position_first: bool = False
    """Read the position before the lock."""
    decides: bool = True

    def __call__(
        self, world: World, me: int, consumer: str, batch: Batch
    ) -> Generator[bool, None, bool]:
        """Read the batch whole, then write it if it applies."""
        source, target = world.source, world.target
        if self.only_active and not source.is_active(batch.id):
            return False
        first, last = (source.ticks[tick.id][0] for tick in (batch.start, batch.end))
        rows = source.events[first:last]
        # Any time may pass until its turn.
        yield False
        yield False
        early = target.position.get(consumer)
        yield True
        if self.lock and target.locks.get(consumer, me) != me:
            return False
        if self.lock:
            target.locks[consumer] = me
        yield True
        if self.row_lock and target.row_is_taken(me, consumer):
            target.rollback(me)
            return False
        position = early if self.position_first else target.position.get(consumer)
        if self.row_lock and position is not None:
            target.positions[me] = {consumer: position}
        yield False
        if position is None or not self._applies(batch, position):
            target.rollback(me)
            yield False
            return False
        target.data[me] = rows
        yield False
        target.positions[me] = {consumer: Position(batch.end.id, HERE, batch.end.mark)}
        yield True
        target.commit(me)
        yield False
        return True

    def _applies(self, batch: Batch, position: Position) -> bool:
        if not self.decides:
            return True
        if position.source is None or position.mark is None:
            return False
        return decide(batch, position, HERE, lambda: True) is Decision.APPLY
