"""Names of queues in databases of other encodings."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queue_mover.model import Policy
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.encodings import create_encoded
from testbed.queues import insert_bytes
from tests.moving.pair import Pair
from tests.moving.splitter import Splitter, numbered

Encoded = Callable[[str], Splitter]


@pytest.fixture
def encoded(source_cluster: Cluster, target_db: Database, tmp_path: Path) -> Iterator[Encoded]:
    """A splitter from a source in an encoding to a target in UTF-8."""
    made: list[Splitter] = []

    def make(encoding: str) -> Splitter:
        source = create_encoded(source_cluster, f"split_{target_db.name}", encoding)
        made.append(Splitter(Pair(source, target_db, tmp_path), "täble", "plain"))
        made[-1].register()
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.pair.close()
    source_cluster.drop_database(f"split_{target_db.name}")


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "SQL_ASCII"])
def test_a_name_is_the_same_in_any_encoding(encoded: Encoded, encoding: str) -> None:
    splitter = encoded(encoding)
    splitter.pair.insert(*numbered(10, splitter.queues))
    splitter.move()
    assert splitter.count() == 10
    assert [event.data for event in splitter.arrived("täble")] == ["0", "2", "4", "6", "8"]


def test_bytes_that_are_no_text_name_no_queue(encoded: Encoded) -> None:
    splitter = encoded("SQL_ASCII")
    source, queue = splitter.pair.source, splitter.pair.queue
    for name in (b"plain", b"t\xe4ble", "täble".encode(), b"plain"):
        insert_bytes(source, queue, b"t", b"x", name)
    splitter.pair.tick()
    # when
    (outcome,) = splitter.move(policy=Policy(quarantine=True))
    # then
    assert outcome.count == 3
    ((_, named, reason),) = splitter.quarantined()
    assert named == b"t\xe4ble"
    assert reason == 'ev_extra1 names queue "t\\xe4ble", which the target does not have'
