"""A pair of queues in databases that a module shares."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from tests.moving.pair import Pair

_numbers = itertools.count(8500)


@pytest.fixture
def queues(shared_databases: tuple[Database, Database], tmp_path: Path) -> Iterator[Pair]:
    """A source queue and a target queue, both empty; nobody is registered yet."""
    pair = Pair(*shared_databases, tmp_path, next(_numbers))
    yield pair
    pair.close()


@pytest.fixture
def pair(queues: Pair) -> Pair:
    """The same, with a registered consumer."""
    queues.register()
    return queues
