"""What the tests of this folder start from."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from tests.command.world import World
from tests.web.site import Site

_numbers = itertools.count(500)


@pytest.fixture
def world(tmp_path: Path, shared_databases: tuple[Database, Database]) -> Iterator[World]:
    with World(next(_numbers), tmp_path, *shared_databases) as made:
        yield made


@pytest.fixture
def site(world: World) -> Site:
    """Where the mover of the world will answer; http_listen is set, nothing runs yet."""
    made = Site()
    world.settings["http_listen"] = made.address
    return made
