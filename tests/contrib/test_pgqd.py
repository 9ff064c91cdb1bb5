"""pgqd works with the file of contrib/."""

import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.processes import Process, wait_until, write_ini
from testbed.programs import find_program, hand_over, run_as
from testbed.queues import create_queue, last_tick
from testbed.reaper import private_directory, remove_directory
from tests.command.world import PATIENCE, World
from tests.contrib.files import CONTRIB

INSTALLED = CONTRIB / "pgqd" / "pgqd.ini"


@pytest.fixture
def directory() -> Iterator[Path]:
    """One that pgqd's user may write to."""
    made = private_directory()
    hand_over(made)
    yield made
    remove_directory(made)


def test_it_ticks(world: World, directory: Path) -> None:
    parser = configparser.ConfigParser()
    parser.read(INSTALLED)
    here = world.source_db
    ours = {
        **parser["pgqd"],
        "logfile": directory / "pgqd.log",
        "pidfile": directory / "pgqd.pid",
        "base_connstr": here.server,
        "initial_database": here.name,
        "database_list": here.name,
    }
    assert ours.keys() == dict(parser["pgqd"]).keys()
    create_queue(world.source, "ticked")
    before = last_tick(world.source, "ticked")
    ini = write_ini(directory / "pgqd.ini", "pgqd", ours)
    hand_over(ini)
    with Process([find_program("pgqd"), ini], directory, name="pgqd", run_as=run_as()):
        world.source.execute("select pgq.insert_event('ticked', 'type', 'data')")
        wait_until(lambda: last_tick(world.source, "ticked") > before, PATIENCE, "a tick")
    assert "ERROR" not in (directory / "pgqd.log").read_text()
