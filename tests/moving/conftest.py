"""What the tests of moving batches share: a pair of queues with its movers.

Making two databases takes longer than most of these tests. So there are two kinds of pair: one
in databases of its own, for tests that lock, kill or look at whole tables, and one in databases
that a module shares, with queues and a consumer of its own, for tests about the data.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from tests.moving.pair import Pair

_numbers = itertools.count(1)


@pytest.fixture
def pair(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A source queue and a target queue in databases of their own; nobody is registered yet."""
    pair = Pair(source_db, target_db, tmp_path)
    yield pair
    pair.close()


@pytest.fixture
def queues(shared_databases: tuple[Database, Database], tmp_path: Path) -> Iterator[Pair]:
    """A source queue and a target queue, both empty; nobody is registered yet."""
    pair = Pair(*shared_databases, tmp_path, next(_numbers))
    yield pair
    pair.close()


@pytest.fixture
def registered(queues: Pair) -> Pair:
    """Queues, with their consumer registered as a first start does."""
    queues.register()
    return queues
