"""What the tests of this folder start from."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from tests.queues.world import World

_numbers = itertools.count(1)


@pytest.fixture
def world(tmp_path: Path, shared_databases: tuple[Database, Database]) -> Iterator[World]:
    """No queues yet; the file names all that begin with the test's name."""
    made = World(f"many{next(_numbers)}", tmp_path, *shared_databases)
    yield made
    made.close()
