"""A source queue and a target queue whose ticker ticks only when it sees new events."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from tests.event_ids.keeping import Keeping

_numbers = itertools.count(1)


@pytest.fixture
def keeping(shared_databases: tuple[Database, Database], tmp_path: Path) -> Iterator[Keeping]:
    """Queues of its own in databases that a module shares; the consumer is registered."""
    with Keeping.between(*shared_databases, tmp_path, next(_numbers)) as keeping:
        keeping.move()
        yield keeping
