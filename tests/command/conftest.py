"""The world that the specifications of this folder begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from tests.command.world import World


@pytest.fixture
def world(
    tmp_path: Path,
    source_db: Database,
    target_db: Database,
    source_queue: str,
    target_queue: str,
) -> Iterator[World]:
    """Two queues in two fresh databases, and a directory."""
    with World(tmp_path, source_db, target_db, (source_queue, target_queue)) as made:
        yield made
