"""A side that takes no writes: nothing is written on the other one either."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.pgbouncer import reconnect
from testbed.processes import wait_until
from testbed.queues import install_pgq, install_pgq_ext
from tests.moving.pair import Pair
from tests.reliability.standby import is_primary, standby_of

Replicated = tuple[Pair, Cluster, Database]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server with a standby."""
    with Cluster("primary", settings={"wal_level": "replica"}) as cluster:
        yield cluster


@pytest.fixture
def replicated_target(
    cluster: Cluster, source_db: Database, tmp_path: Path
) -> Iterator[Replicated]:
    """A pair whose target has a standby; nobody is registered yet."""
    target_db = cluster.create_database("target")
    with target_db.connect() as conn:
        install_pgq(conn)
        install_pgq_ext(conn)
    pair = Pair(source_db, target_db, tmp_path)
    with standby_of(cluster) as standby:
        yield pair, standby, standby.database("target")
    pair.close()


@pytest.fixture
def replicated_source(
    cluster: Cluster, target_db: Database, tmp_path: Path
) -> Iterator[Replicated]:
    """A pair whose source has a standby; nobody is registered yet."""
    source_db = cluster.create_database("source")
    with source_db.connect() as conn:
        install_pgq(conn)
    pair = Pair(source_db, target_db, tmp_path)
    with standby_of(cluster) as standby:
        yield pair, standby, standby.database("source")
    pair.close()


@pytest.mark.parametrize("switches", [(), ("--register",)], ids=["first start", "register"])
def test_nobody_is_registered_for_a_target_that_is_a_standby(
    replicated_target: Replicated, switches: tuple[str, ...]
) -> None:
    pair, _, standby_db = replicated_target
    result = pair.command(*switches, dst_db=standby_db.conninfo())
    assert result.returncode == 1
    assert "target database is a standby; remedy: connect to the primary" in result.stderr
    assert "target_session_attrs=read-write" in result.stderr
    assert "Traceback" not in result.stderr
    assert pair.subscription() is None


@pytest.mark.parametrize("switch", ["--register", "--unregister", "--rewind", "--reset"])
def test_no_switch_changes_one_side_only(replicated_target: Replicated, switch: str) -> None:
    pair, standby, standby_db = replicated_target
    # given a consumer with a position, which the standby has too
    pair.register()
    pair.produce(3)
    pair.move()
    with standby.connect("target") as conn:
        wait_until(
            lambda: value(conn, "select pgq_ext.get_last_tick(%s)", pair.consumer) == pair.position,
            30,
            "the standby to follow",
        )
    before = (pair.subscription(), pair.position)
    # when
    result = pair.command(switch, dst_db=standby_db.conninfo())
    # then
    assert (pair.subscription(), pair.position) == before
    assert "Traceback" not in result.stderr
    if switch != "--register":
        # a consumer that is registered needs no position
        assert result.returncode == 1
        assert "target database is a standby" in result.stderr


def test_a_source_that_is_a_standby(replicated_source: Replicated) -> None:
    pair, _, standby_db = replicated_source
    result = pair.command(src_db=standby_db.conninfo())
    assert result.returncode == 1
    assert "source database is a standby; remedy: connect to the primary" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_read_only_target_is_found_before_the_registration(pair: Pair) -> None:
    """Not only standbys: a full disk has some managed servers refuse writes."""
    pair.consumer = "newcomer"
    name = pair.target_db.name
    pair.target.execute(f"alter database {name} set default_transaction_read_only = on".encode())
    reconnect(pair.target_db.pooler)
    assert "target database is read-only" in pair.command(loop_delay=-1).stderr
    assert pair.subscription() is None


def test_a_failover_on_its_way_is_waited_for(
    replicated_target: Replicated, cluster: Cluster
) -> None:
    """The mover has worked: it is told in one line, and goes on after the promotion."""
    pair, standby, standby_db = replicated_target
    ports = f"{cluster.port},{standby.port}"
    dst_db = pair.target_db.conninfo(host="127.0.0.1,127.0.0.1", port=ports)
    process = pair.start(dst_db=dst_db)
    pair.produce(5, label="before")
    pair.wait_for(5)
    with standby.connect("target") as conn:
        wait_until(lambda: value(conn, "select count(*) from pgq.event_1") == 5, 30, "the standby")
    # when the primary goes, and only the standby answers
    pair.target.close()
    cluster.stop()
    pair.produce(5, label="during")
    process.wait_for_output("target database is a standby")
    with standby.connect() as conn:
        conn.execute("select pg_promote(false)")
    wait_until(lambda: is_primary(standby), 30, "the promotion")
    pair.target_db = standby_db
    pair.target = standby_db.connect()
    pair.wait_for(10)
    pair.assert_identical()
    process.stop()
    assert process.stderr.count("is a standby") == 1
    assert "recovered: working again" in process.stderr
    assert "Traceback" not in process.stderr
