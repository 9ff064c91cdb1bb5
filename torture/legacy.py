"""A legacy mover, which takes no locks, as those of Skytools.

What such a mover commits after ours it duplicates, and nothing can prevent that. This one checks
the position again, under the lock of its row, and drops such a batch: whatever is duplicated, ours
has duplicated.
"""

import threading
from contextlib import closing, suppress

import psycopg

from testbed.database import Database
from testbed.legacy_mover import LegacyMover
from torture.servers import QUEUE, TARGET_QUEUE

PAUSE = 0.05
"""Seconds between looks for a batch."""


class OvertakenError(Exception):
    """Another mover has moved the batch meanwhile."""


class _Careful(LegacyMover):
    def set_position(self) -> None:
        row = self.target.execute(
            "select last_tick_id from pgq_ext.completed_tick where consumer_id = %s for update",
            [self.consumer],
        ).fetchone()
        if row is None or row[0] != self.position:
            raise OvertakenError
        super().set_position()


class Unlocked(threading.Thread):
    """Moves the batches of one source beside whoever else does, until stopped or lost."""

    def __init__(self, source: Database, target: Database, consumer: str) -> None:
        super().__init__(name=f"legacy mover of {consumer}", daemon=True)
        self._where = (source.conninfo(), target.conninfo(), QUEUE, consumer, TARGET_QUEUE)
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End after the batch at hand; does not wait for it."""
        self._stopping.set()

    def run(self) -> None:
        """Move; any error ends it, with what it had open rolled back."""
        with suppress(psycopg.Error, RuntimeError, OvertakenError), closing(self._mover()) as mover:
            while not self._stopping.is_set():
                if not mover.move():
                    self._stopping.wait(PAUSE)

    def _mover(self) -> LegacyMover:
        return _Careful(*self._where)
