"""The source was upgraded: the same queue, ticks and events, in a cluster with another identity."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import ENVIRONMENT, SUPERUSER, Cluster
from testbed.database import Database, value
from testbed.programs import postgres_bindir, run_as, server_program
from testbed.queues import insert_event
from tests.moving.pair import Pair
from tests.reliability.conftest import registered


@pytest.fixture
def pair(own_source: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A pair whose source has a server of its own, with a registered consumer."""
    with registered(own_source, target_db, tmp_path) as pair:
        yield pair


def upgrade(cluster: Cluster) -> Cluster:
    """What pg_upgrade makes of a cluster that is stopped; to be started."""
    new = Cluster("after_upgrade")
    bindir = postgres_bindir()
    done = subprocess.run(
        [
            str(server_program("pg_upgrade")),
            f"--old-bindir={bindir}",
            f"--new-bindir={bindir}",
            f"--old-datadir={cluster.data_directory}",
            f"--new-datadir={new.data_directory}",
            f"--old-port={cluster.port}",
            f"--new-port={new.port}",
            f"--socketdir={new.socket_directory}",
            f"--username={SUPERUSER}",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=new.directory,
        env=ENVIRONMENT,
        **run_as(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return new


def identity(pair: Pair) -> str:
    """What a message calls the source."""
    system = value(pair.source, "select system_identifier::text from pg_control_system()")
    return f"system {system}, database {pair.source_db.name}, queue {pair.queue}"


def test_a_source_that_was_upgraded_is_refused_until_it_is_accepted(
    pair: Pair, cluster: Cluster
) -> None:
    # given a batch that only the target knows to be done, events that wait, and some without a tick
    pair.produce(10, label="moved")
    pair.mover().move_batch()
    pair.produce(5, label="waiting")
    insert_event(pair.source, pair.queue, "t", "without a tick")
    before = identity(pair)
    pair.source.close()
    cluster.stop()
    with upgrade(cluster) as upgraded:
        pair.source_db = upgraded.database(pair.source_db.name)
        pair.source = pair.source_db.connect()
        assert identity(pair) != before
        # then it is refused, naming both, and nothing has changed
        state = (pair.position, pair.target_events.count(), pair.subscription())
        assert state[1] == 10
        result = pair.command(loop_delay=0.05)
        assert result.returncode == 1
        line = next(line for line in result.stderr.splitlines() if "another source" in line)
        assert before in line
        assert identity(pair) in line
        assert "--accept-source" in line
        assert (pair.position, pair.target_events.count(), pair.subscription()) == state
        # when it is accepted, then all comes once and in order, what is new included
        pair.command("--accept-source").check()
        pair.produce(5, label="after")
        pair.command(loop_delay=0).check()
        assert pair.target_events.count() == 21
        pair.assert_identical()
        assert pair.subscription() == (pair.position, None, None)
        pair.source.close()
