"""Write one batch into the open transaction on the target, in the way that its route needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from queue_mover.copying import copy, insert, quarantine
from queue_mover.errors import BadEventError, NotReadyError
from queue_mover.model import Batch, Policy, Route
from queue_mover.moving.copying_progress import CopyingProgress
from queue_mover.moving.preflight import BothSides
from queue_mover.pgq import batches
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

if TYPE_CHECKING:
    from queue_mover.copying.event_ids import EventIds


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    count: int
    """Events."""
    quarantined: tuple[str, ...] = ()
    """A line about each event that the target rejected."""
    ids: "EventIds | None" = None
    """Those that were kept; None: the target assigned its own."""


def require_new_ids(batch: Batch, route: Route, dst: Connection) -> None:
    """Raise NotReadyError where event IDs are kept, and a batch that has been written has IDs again
    that the source has used before.

    Checked where the ticks show that its sequence has gone back. Two tickers at the same moment can
    make it look so, hence the target's events decide.
    """
    before, after = batch.start.event, batch.end.event
    if not route.keep_event_id or before is None or after is None or after >= before:
        return
    from queue_mover.pgq import event_ids  # noqa: PLC0415

    twice = event_ids.written_twice(dst, route)
    if twice is not None:
        raise NotReadyError(
            f'source database: the sequence of event IDs of queue "{route.queue}" has gone back'
            f" from {before} to {after}: the target would have ID {twice} twice; remedy: raise it"
            f" above {before}, and keep_event_id = 0 until the events in between have been moved"
        )


@dataclass(frozen=True, slots=True)
class BatchWriter:
    """Copies a batch, inserts it, splits it, or puts what the target rejects into quarantine."""

    route: Route
    policy: Policy
    sides: BothSides
    copying: CopyingProgress

    def write(self, batch: Batch, src: Connection, dst: Connection, table: str) -> Written:
        """Write all events of a batch.

        Raises BadEventError, which names the event that the target rejects.
        """
        route, encoding, sent = self.route, self.sides.encoding, self.copying.sent
        if route.split_field:
            return self._split(batch, src, dst, quarantining=False)
        columns = insert.SELECT_COLUMNS if self.policy.insert else copy.columns(route)
        select = batches.written_select(batch, route, columns)
        try:
            if self.policy.insert:
                return Written(insert.insert_events(src, select, dst, encoding, route, sent))
            count, ids = copy.copy_events(src, select, dst, table, encoding, route, sent)
            require_new_ids(batch, route, dst)
        except BadEventError as error:
            with translating_errors("source", route.source_flavour):
                event = batches.describe_event(src, batch, route, error.line)
            raise BadEventError(
                f"the target rejected {event}: {error.column or 'a column'}: {error};"
                " remedy: on_bad_event = quarantine moves the batch without it"
            ) from error
        return Written(count, ids=ids)

    def write_good_events(
        self, batch: Batch, src: Connection, dst: Connection, table: str
    ) -> Written:
        """Write the events that the target takes, and put the others into quarantine.

        Raises NotReadyError where there is no quarantine.
        """
        if not self.sides.remembers:
            raise NotReadyError(
                "target database: no table for quarantined events; remedy: pgqadm.py CONFIG install"
            )
        route, encoding, copying = self.route, self.sides.encoding, self.copying
        if route.split_field:
            return self._split(batch, src, dst, quarantining=True)
        ids = copy.collected_ids(route)

        def write(rows: Sequence[insert.Row]) -> None:
            if self.policy.insert:
                insert.insert_rows(dst, rows, encoding, route)
            else:
                quarantine.copy_rows(dst, rows, table, encoding, route)
            if ids is not None:
                ids.add_rows(rows)
            copying.sent(copying.events + len(rows), 0)

        def keep(row: insert.Row, reason: str) -> str:
            identity = self.sides.identity
            return quarantine.quarantine_event(dst, row, encoding, route, identity, reason)

        select = batches.written_select(batch, route, quarantine.select_columns(route))
        written = quarantine.write_good_events(src, select, dst, write, encoding, keep, route)
        require_new_ids(batch, route, dst)
        return Written(*written, ids)

    def _split(
        self, batch: Batch, src: Connection, dst: Connection, *, quarantining: bool
    ) -> Written:
        # Only here: other movers do not wait for what splits.
        make = import_module("queue_mover.moving.splitting").Split
        split = make(batch, self.route, self.policy, self.sides, src, dst, self.copying)
        return Written(*split.move(quarantining=quarantining))
