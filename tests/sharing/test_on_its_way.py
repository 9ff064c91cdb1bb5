"""A batch has been read for a transaction that others share, and a switch comes in between.

Alone, a mover reads its batch under the consumer's lock; here it holds none while it waits for its
turn, so the switches must leave nothing that such a batch would break.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from queue_mover.copying.copy import COLUMNS
from queue_mover.copying.shared_copy import read_rows
from queue_mover.model import BatchLimits
from queue_mover.moving.shared_transaction import SmallBatch, write_together
from queue_mover.observation.sides import read_source
from queue_mover.pgq.batches import next_batch, written_select
from queue_mover.postgres.database import Database as Sessions
from testbed.database import Database
from tests.moving.holding import hold_positions, killed_at
from tests.moving.pair import Pair

OLD, NEW = "mover_1", "another_name"


@pytest.fixture
def pair(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """Ten events have been moved, ten wait."""
    made = Pair(source_db, target_db, tmp_path)
    made.register()
    made.produce(10)
    made.move()
    made.produce(10)
    yield made
    made.close()


@contextmanager
def on_its_way(pair: Pair) -> Iterator[None]:
    """The next batch has been read before, and is written after that."""
    route = pair.mover().route
    source = Sessions("source", pair.source_db.conninfo(), "in_process")
    target = Sessions("target", pair.target_db.conninfo(), "in_process")
    with source.session() as src, target.session() as dst:
        batch, _ = next_batch(src, route, BatchLimits(), None)
        assert batch is not None
        select = written_select(batch, route, COLUMNS)
        rows = read_rows(src, select, route.source_flavour, lambda size: True)
        assert rows is not None
        yield
        write_together(dst, [SmallBatch(route, batch, read_source(src, route).identity, rows)])
    source.close()
    target.close()


def test_rewind(pair: Pair) -> None:
    with on_its_way(pair):
        # when the position on the target is that of the source already
        pair.command("--rewind").check()
    # then the batch is still active, and can be finished
    pair.produce(10)
    pair.command(loop_delay=0).check()
    pair.assert_identical()
    assert pair.target_events.count() == 30


def test_take_over(pair: Pair) -> None:
    with on_its_way(pair):
        pair.consumer = NEW
        pair.command("--take-over", OLD).check()
        pair.consumer = OLD
    # then the new consumer moves it
    assert pair.target_events.count() == 10
    pair.consumer = NEW
    pair.command(loop_delay=0).check()
    pair.assert_identical()


def test_take_over_that_dies_between_the_databases(pair: Pair) -> None:
    with on_its_way(pair):
        pair.consumer = NEW
        with killed_at(pair, "--take-over", hold_positions, pair.target, OLD):
            # then the new consumer does not start before it is completed: the batch may still come
            refused = pair.command(loop_delay=0)
            assert refused.returncode == 1
            assert (
                f"--take-over was interrupted; remedy: repeat --take-over {OLD}" in refused.stderr
            )
    assert pair.target_events.count() == 20
    # when it is
    pair.command("--take-over", OLD).check()
    # then it continues after that batch
    pair.produce(10)
    pair.command(loop_delay=0).check()
    pair.assert_identical()
    assert pair.target_events.count() == 30
