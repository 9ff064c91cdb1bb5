"""The batches of one mover that are small enough to share a transaction with others."""

from queue_mover.copying import copy
from queue_mover.copying.shared_copy import ENCODING, Rows, read_rows
from queue_mover.errors import NotReadyError, StatementError
from queue_mover.model import Batch, Policy, Route
from queue_mover.moving.preflight import BothSides
from queue_mover.moving.shared_transaction import SmallBatch
from queue_mover.moving.sharing import LARGEST_BATCH, Member
from queue_mover.pgq.batches import written_select
from queue_mover.postgres.connection import Connection

SMALLEST_EVENT = 38.0
"""Bytes of an event without a text in a binary COPY."""
RELAXING = 0.9
"""By how much the bytes expected of an event shrink with each batch that is not read whole."""


class SmallBatches:
    """Reads them whole before it asks for the target, so that no source holds a transaction of
    others open."""

    def __init__(self, policy: Policy, member: Member) -> None:
        self._policy = policy
        self._member = member
        self._density = SMALLEST_EVENT
        """Bytes to be expected for each event number of a batch: from those read so far."""

    def write(self, batch: Batch, route: Route, src: Connection, sides: BothSides) -> Rows | None:
        """Write a batch together with others, and return its events. None: it is too large, or
        must be written alone. Raises errors of the source, translated, and StoppingError."""
        if not (self._may_share(route, sides) and self._may_fit(batch.span)):
            return None
        with self._member.room() as room:
            try:
                select = written_select(batch, route, copy.COLUMNS)
                rows = read_rows(src, select, route.source_flavour, room.take)
            except (NotReadyError, StatementError):
                # No longer active, or an expression fails: alone, the mover finds out.
                return None
            self._density = room.needed / max(batch.span or 1, 1)
            if rows is None:
                return None
            small = SmallBatch(route, batch, sides.identity, rows)
            return rows if self._member.write(small) else None

    def _may_share(self, route: Route, sides: BothSides) -> bool:
        return (
            sides.shares
            and sides.encoding == ENCODING
            and not self._policy.insert
            and not route.keep_event_id
            and not route.split_field
            and self._member.is_open
        )

    def _may_fit(self, span: int | None) -> bool:
        if span is None:
            return False
        if span * self._density <= LARGEST_BATCH:
            return True
        self._density *= RELAXING
        return False

    def stop(self) -> None:
        """From another thread: wait for no other mover any more."""
        self._member.stop()

    def close(self) -> None:
        """Leave the other movers."""
        self._member.close()
