"""Small batches of many sources, written to one target in one transaction.

Each is decided on its own, as `mover` does; only those that apply are written. Whatever cannot be
written together, for any reason, is left to its mover alone, which finds out why.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from queue_mover.copying.shared_copy import Rows, copy_rows
from queue_mover.model import Batch, Position, Route
from queue_mover.moving.decision import Decision, decide
from queue_mover.pgq.shared_target import commit_positions, open_shared_transaction
from queue_mover.postgres.connection import Connection


@dataclass(frozen=True, slots=True)
class SmallBatch:
    """A batch that has been read whole from its source."""

    route: Route
    batch: Batch
    identity: str
    """Of the source."""
    rows: Rows


def write_together(dst: Connection, batches: Sequence[SmallBatch]) -> frozenset[str]:
    """Write those of the batches that apply, with their positions. Returns their consumers.

    The source is not queried again: the rows were read while the batch was active, a batch is fixed
    by its ticks, and it applies only at the position where it starts. Raises driver errors and
    StatementError; then none was written, unless the commit's answer was lost.
    """
    flavour = batches[0].route.target_flavour
    batches = [each for each in batches if each.route.target_flavour == flavour]
    opening = open_shared_transaction(
        dst,
        [each.route.consumer for each in batches],
        [each.route.target_queue for each in batches],
        flavour,
    )
    chosen = [each for each in batches if _applies(each, opening.positions)]
    if not chosen:
        dst.rollback()
        return frozenset()
    for queue, rows in _by_queue(chosen):
        copy_rows(dst, opening.tables[queue], rows)
    commit_positions(
        dst,
        {
            each.route.consumer: Position(each.batch.end.id, each.identity, each.batch.end.mark)
            for each in chosen
        },
    )
    return frozenset(each.route.consumer for each in chosen)


def _applies(each: SmallBatch, positions: Mapping[str, Position]) -> bool:
    position = positions.get(each.route.consumer)
    if position is None or position.source is None or position.mark is None:
        # A first batch, or another program has set the position: the mover looks closer.
        return False
    decision = decide(each.batch, position, each.identity, lambda: True)
    return decision is Decision.APPLY


def _by_queue(batches: Sequence[SmallBatch]) -> Iterator[tuple[str, list[Rows]]]:
    def queue(each: SmallBatch) -> str:
        return each.route.target_queue

    # The same order in every transaction, so that two of them cannot wait for each other.
    for name, found in groupby(sorted(batches, key=queue), queue):
        yield name, [each.rows for each in found]
