"""Split one batch: each event goes to the target queue that a field of it names.

The field is read as it is written to the target. All queues, and the position, are one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from queue_mover.copying import copy, insert, quarantine, splitting
from queue_mover.copying.split_names import QUARANTINE, SplitNames
from queue_mover.errors import BadEventError, UnknownQueueError
from queue_mover.model import Batch, Policy, Route
from queue_mover.moving.copying_progress import CopyingProgress
from queue_mover.moving.preflight import BothSides
from queue_mover.pgq import batches
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

Written = tuple[int, tuple[str, ...]]
"""The events written, and a line about each quarantined one."""


@dataclass(frozen=True, slots=True)
class Split:
    """The splitting of one batch, in the open transaction on the target."""

    batch: Batch
    route: Route
    policy: Policy
    sides: BothSides
    source: Connection
    target: Connection
    copying: CopyingProgress

    def move(self, *, quarantining: bool) -> Written:
        """Move the batch. `quarantining`: the events that name no queue or are rejected go into
        quarantine, of which the target has a table; else they raise BadEventError."""
        names = SplitNames(
            self.target,
            self.route,
            self._codec(),
            same_database=self.sides.same_database,
            insert=self.policy.insert,
        )
        return self._move_good_events(names) if quarantining else (self._move_all(names), ())

    def _codec(self) -> str:
        with (
            translating_errors("source", self.route.source_flavour),
            copy.client_encoding(self.source, self.sides.encoding),
        ):
            return self.source.info.encoding

    def _move_all(self, names: SplitNames) -> int:
        route, encoding, sent = self.route, self.sides.encoding, self.copying.sent
        try:
            if self.policy.insert:
                select = batches.written_select(self.batch, route, insert.SELECT_COLUMNS)
                return splitting.insert_split_events(
                    self.source, select, names, encoding, route, sent
                )
            columns = splitting.columns(route.split_field)
            select = batches.written_select(self.batch, route, columns)
            return splitting.split_events(self.source, select, names, encoding, route, sent)
        except BadEventError as error:
            raise self._described(error, names) from error

    def _described(self, error: BadEventError, names: SplitNames) -> BadEventError:
        name = error.queue
        assert name is not None
        with translating_errors("source", self.route.source_flavour):
            event = batches.describe_event(
                self.source, self.batch, self.route, error.line, (name, self.sides.encoding)
            )
        if isinstance(error, UnknownQueueError):
            return BadEventError(f"{event}: {error.reason}; remedy: {names.remedy(name)}")
        return BadEventError(
            f"the target rejected {event} {names.place(name)}: {error.column or 'a column'}:"
            f" {error.reason}; remedy: {QUARANTINE}"
        )

    def _move_good_events(self, names: SplitNames) -> Written:
        encoding, copying = self.sides.encoding, self.copying

        def write(rows: Sequence[insert.Row]) -> None:
            splitting.write_split_rows(names, rows, encoding, insert=self.policy.insert)
            copying.sent(copying.events + len(rows), 0)

        def keep(row: insert.Row, reason: str) -> str:
            return quarantine.quarantine_event(
                self.target, row, encoding, self.route, self.sides.identity, reason
            )

        select = batches.written_select(
            self.batch, self.route, quarantine.select_columns(self.route)
        )
        written, notes = 0, list[str]()
        with (
            insert.rows_in_chunks(
                self.source, select, encoding, self.route.source_flavour
            ) as chunks,
            translating_errors("target", self.route.target_flavour),
        ):
            for chunk in chunks:
                good, refused = splitting.refused_rows(names, chunk)
                kept = [keep(row, reason) for row, reason in refused]
                kept += quarantine.write_chunk(self.target, good, write, keep) if good else []
                written += len(chunk) - len(kept)
                notes += kept
        return written, tuple(notes)
