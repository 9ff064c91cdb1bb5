"""What the tests of filters and rewrites start from: queues in databases that a module shares."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from tests.moving.pair import Pair

_numbers = itertools.count(1)


@pytest.fixture
def queues(shared_databases: tuple[Database, Database], tmp_path: Path) -> Iterator[Pair]:
    """A source queue and a target queue, both empty; nobody is registered yet."""
    pair = Pair(*shared_databases, tmp_path, next(_numbers))
    yield pair
    pair.close()


@pytest.fixture(scope="module")
def shared_queues(
    shared_databases: tuple[Database, Database], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """The same for all tests of a module."""
    pair = Pair(*shared_databases, tmp_path_factory.mktemp("shared"), next(_numbers))
    yield pair
    pair.close()


@pytest.fixture
def registered(queues: Pair) -> Pair:
    """Queues, with their consumer registered as a first start does."""
    queues.register()
    return queues
