"""One source in trouble: its own error line, and the others do not notice."""

import signal
from collections.abc import Iterator

import pytest
from psycopg import sql

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.encodings import create_encoded
from testbed.log_lines import news
from testbed.processes import Process
from testbed.queues import create_queue, insert_bytes
from testbed.servers import TEMPLATE
from tests.sources.many import Many


def others_move(many: Many, process: Process, *, first: int = 1) -> None:
    """Shards 0 and 2 move one more event each, and have had no error."""
    for name in ("shard0", "shard2"):
        many.sources[name].produce(1, first=first)
    many.wait_for(shard0=first, shard2=first)
    assert process.running
    assert many.errors("shard0") + many.errors("shard2") == []


def all_errors_name(many: Many, name: str) -> None:
    """Each line at level ERROR begins with the source's name."""
    assert many.errors() == many.errors(f"{name}: ") != []
    assert "Traceback" not in many.log


def test_a_database_that_is_missing_and_comes(many: Many, source_cluster: Cluster) -> None:
    name = f"later_{many.job}"
    many.section("shard1")["src_db"] = source_cluster.conninfo(name)
    many.register("shard0", "shard2")
    process = many.launch()
    many.logged("ERROR shard1: source database not available: ")
    others_move(many, process)
    # when it comes, with its queue
    later = source_cluster.create_database(f"{name}_unnamed", TEMPLATE)
    with later.connect() as conn:
        create_queue(conn, many.queue)
    with source_cluster.connect() as conn:
        conn.execute(
            sql.SQL("alter database {} rename to {}").format(
                sql.Identifier(f"{name}_unnamed"), sql.Identifier(name)
            )
        )
    # then
    many.logged("INFO shard1: recovered: working again")
    others_move(many, process, first=2)
    assert process.stop() == 0
    all_errors_name(many, "shard1")
    assert len(many.errors()) == 1
    source_cluster.drop_database(name)


def test_a_server_that_is_down(many: Many) -> None:
    many.section("shard1")["src_db"] = "host=127.0.0.1 port=1"
    many.register("shard0", "shard2")
    process = many.launch("-v")
    many.logged("DEBUG shard1: still failing: ", 3)
    others_move(many, process)
    assert process.stop() == 0
    all_errors_name(many, "shard1")
    assert len(many.errors()) == 1


def test_a_lost_position_and_another_chance_at_hup(many: Many) -> None:
    process = many.start()
    many.produce(1)
    many.wait_for(shard0=1, shard1=1, shard2=1)
    # when
    many.lose_position("shard1")
    many.sources["shard1"].produce(5, first=2)
    # then it stops, once, and says what helps
    many.logged("ERROR shard1: Lost position: ")
    others_move(many, process, first=2)
    assert len(many.errors()) == 1
    assert "dst has 1234567" in many.errors()[0]
    many.until(lambda: not many.backends("shard1"), "the end of shard1")
    # when it is not repaired, then HUP fails again, with another line
    many.reload(process)
    many.logged("ERROR shard1: Lost position: ", 2)
    # when it is repaired, then HUP sets it going
    many.run("--reset", "--source", "shard1").check()
    many.reload(process)
    many.wait_for(shard1=6)
    assert process.stop() == 0
    all_errors_name(many, "shard1")
    many.assert_identical()


@pytest.fixture
def careless(source_cluster: Cluster, many: Many) -> Iterator[Database]:
    """A database that takes any bytes, as source "careless"."""
    name = f"careless_{many.job}"
    yield create_encoded(source_cluster, name, "SQL_ASCII")
    source_cluster.start().drop_database(name)


def test_a_poison_event(many: Many, careless: Database) -> None:
    poisoned = many.add("careless", careless)
    process = many.start()
    insert_bytes(poisoned.conn, poisoned.queue, b"type", b"\xe9")
    poisoned.produce(2)
    many.logged("ERROR careless: the target rejected event ")
    others_move(many, process)
    many.sources["shard1"].produce(1)
    many.wait_for(shard1=1)
    all_errors_name(many, "careless")
    # when it may be put aside, then the rest of the batch arrives
    many.section("careless")["on_bad_event"] = "quarantine"
    many.reload(process)
    many.wait_for(careless=2)
    many.logged("WARNING careless: quarantined: ")
    many.logged("quarantined: 1, source: careless}")
    assert process.stop() == 0
    assert len(many.errors()) == 1


def test_a_consumer_that_is_unregistered_and_registered_again(many: Many) -> None:
    process = many.start()
    many.produce(1)
    many.wait_for(shard0=1, shard1=1, shard2=1)
    many.until(lambda: many.finished("shard1"), "the finish of shard1")
    many.sources["shard1"].conn.execute(
        "select pgq.unregister_consumer(%s, %s)", [many.queue, many.consumer("shard1")]
    )
    many.sources["shard1"].produce(1, first=50)
    many.logged("ERROR shard1: ")
    others_move(many, process, first=2)
    # when, as the message says
    many.run("--register", "--source", "shard1").check()
    many.logged("INFO shard1: recovered: working again")
    many.sources["shard1"].produce(4, first=100)
    many.wait_for(shard1=5)
    assert process.stop() == 0
    all_errors_name(many, "shard1")


def test_a_queue_that_is_missing_at_the_start_and_comes(many: Many) -> None:
    """It needs no reload, as a database that is missing needs none."""
    many.section("shard1")["queue_name"] = f"{many.queue}_later"
    many.register("shard0", "shard2")
    process = many.launch()
    many.logged(f'ERROR shard1: source database: no queue "{many.queue}_later"; remedy: ')
    many.logged("INFO sources: retry shard1")
    others_move(many, process)
    # when it is created, as the message says
    create_queue(many.sources["shard1"].conn, f"{many.queue}_later")
    # then
    many.logged("INFO shard1: recovered: working again")
    others_move(many, process, first=2)
    assert process.stop() == 0
    all_errors_name(many, "shard1")
    assert len(many.errors()) == 1


def test_it_ends_with_1_when_all_have_failed(many: Many) -> None:
    many.main["auto_register"] = 0
    process = many.launch()
    assert process.wait() == 1
    assert sorted(line.split()[4] for line in many.errors()) == ["shard0:", "shard1:", "shard2:"]
    assert len(news(process.stderr)) == 3


def test_it_goes_on_while_one_can_run_and_ends_after_that_one(many: Many) -> None:
    for name in ("shard0", "shard2"):
        many.register(name)
        many.lose_position(name)
        many.sources[name].produce(1)
    process = many.launch()
    many.logged("ERROR shard0: ")
    many.logged("ERROR shard2: ")
    many.registered("shard1")
    many.sources["shard1"].produce(2)
    many.wait_for(shard1=2)
    assert process.running
    # when that one fails too
    many.lose_position("shard1")
    many.sources["shard1"].produce(1, first=3)
    assert process.wait() == 1
    assert len(many.errors()) == 3


def test_being_told_to_stop_is_no_failure(many: Many) -> None:
    many.section("shard1")["auto_register"] = 0
    process = many.launch()
    many.logged("ERROR shard1: ")
    many.registered("shard0")
    assert process.stop(signal.SIGINT) == 0


def test_a_daemon_starts_although_one_source_fails(many: Many) -> None:
    """Given one that fails at once and one that is down, then the others run."""
    many.section("shard1")["auto_register"] = 0
    many.section("shard2")["src_db"] = "host=127.0.0.1 port=1"
    many.register("shard0")
    many.run("-d").check()
    many.sources["shard0"].produce(3)
    many.wait_for(shard0=3)
    many.run("-s").check()
    many.until(lambda: not (many.directory / "many.pid").exists(), "the end of the daemon")


def test_a_daemon_does_not_start_when_all_sources_fail(many: Many) -> None:
    many.main["auto_register"] = 0
    result = many.run("-d")
    assert result.returncode == 1
    assert len(news(result.stderr)) == 3
    assert not (many.directory / "many.pid").exists()
