"""The source is not what it was: made anew, restored from a backup, failed over.

The original compares the numbers of ticks. Those of another history coincide sooner or later:
it then skips a batch, or applies one that begins elsewhere, and says nothing.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.log_lines import news
from testbed.processes import wait_until
from testbed.queues import create_queue, produce
from tests.moving.pair import TICKS_AT_WILL, Pair
from tests.reliability.conftest import moved_once
from tests.reliability.standby import is_primary, standby_of


@pytest.fixture
def restorable(own_source: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A pair whose source has a server of its own, with a consumer that has moved a batch."""
    with moved_once(own_source, target_db, tmp_path) as pair:
        yield pair


def assert_refused(pair: Pair, waiting: int) -> None:
    """It says that the tick is another one, stops, and changes nothing."""
    before = (pair.position, pair.target_events.count(), pair.subscription())
    result = pair.command(loop_delay=0.05)
    assert result.returncode == 1
    lines = [line for line in news(result.stderr) if "Lost position" in line]
    assert len(lines) == 1, result.stderr
    assert "restored from a backup, failed over" in lines[0]
    assert "--accept-source" in lines[0]
    assert "--reset" in lines[0]
    assert "Traceback" not in result.stderr
    after = (pair.position, pair.target_events.count(), pair.subscription())
    assert before[:2] == after[:2]
    # when the operator repeats what waits, it comes
    pair.command("--reset").check()
    pair.command(loop_delay=0).check()
    assert pair.target_events.count() == before[1] + waiting


def make_queue_anew(pair: Pair) -> None:
    """Drop the source queue and create another one of that name."""
    pair.source.execute("select pgq.drop_queue(%s, true)", [pair.queue])
    create_queue(pair.source, pair.queue, **TICKS_AT_WILL)
    value(pair.source, "select pgq.register_consumer(%s, %s)", pair.queue, pair.consumer)


def test_the_queue_was_made_anew(pair: Pair) -> None:
    """The original takes the new batch 1..2 for the one that it has applied."""
    assert pair.position == 2
    make_queue_anew(pair)
    assert pair.produce(7, label="anew") == 2
    result = pair.command(loop_delay=0.05)
    assert result.returncode == 1
    assert "belongs to another source" in result.stderr
    assert pair.target_events.count() == 10


def restore(pair: Pair, cluster: Cluster, saved: Path) -> None:
    """Bring a copy of the data directory back."""
    pair.source.close()
    cluster.stop()
    shutil.rmtree(cluster.data_directory)
    copy_directory(saved, cluster.data_directory)
    cluster.start()
    pair.source = pair.source_db.connect()


def copy_directory(source: Path, target: Path) -> None:
    """Copy with all owners."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@pytest.mark.parametrize("ticks_lost", [1, 2])
def test_the_source_was_restored_and_ticks_coincide(
    restorable: Pair, cluster: Cluster, ticks_lost: int
) -> None:
    pair = restorable
    # given a backup, and batches after it
    saved = cluster.directory / "saved"
    cluster.stop()
    copy_directory(cluster.data_directory, saved)
    cluster.start()
    pair.source = pair.source_db.connect()
    for number in range(ticks_lost):
        pair.produce(5, label=f"lost {number}")
    pair.move()
    # when the source comes back as it was, and goes on with other events
    restore(pair, cluster, saved)
    for number in range(ticks_lost):
        pair.produce(3, label=f"new {number}")
    # then the last tick has the number of the target's position, and is not taken for it
    assert value(pair.source, "select max(tick_id) from pgq.tick") == pair.position
    # and --rewind does not go there: the events before it would be left out
    before = pair.subscription()
    refused = pair.command("--rewind")
    assert (refused.returncode, pair.subscription()) == (1, before)
    assert "restored from a backup, failed over" in refused.stderr
    assert_refused(pair, 3 * ticks_lost)


def test_accepting_a_source_that_is_behind_the_target(restorable: Pair, cluster: Cluster) -> None:
    """A shard that was copied before its mover stopped: the copy's ticks have other events."""
    pair = restorable
    # given a copy, and a batch after it
    saved = cluster.directory / "saved"
    cluster.stop()
    copy_directory(cluster.data_directory, saved)
    cluster.start()
    pair.source = pair.source_db.connect()
    pair.produce(5, label="not in the copy")
    pair.move()
    restore(pair, cluster, saved)
    # when it is accepted, then both ticks are told, and what to do
    newest = value(pair.source, "select max(tick_id) from pgq.tick")
    assert pair.position == newest + 1
    said = pair.command("--accept-source").check().stderr
    assert f"the target's tick, {pair.position}, is ahead of the source's newest, {newest}:" in said
    assert "compare both queues; --reset moves all" in said
    # and events of another tick of that number are not taken for moved
    assert pair.produce(3, label="new") == pair.position
    assert_refused(pair, 3)


def test_a_standby_that_lacked_the_last_ticks(
    restorable: Pair, cluster: Cluster, private_cluster: Callable[..., Cluster]
) -> None:
    pair = restorable
    with standby_of(cluster) as standby:
        # given a standby that has stopped to follow, and batches after that
        with standby.connect() as conn:
            stop_following(conn)
            following = next_tick_after_promotion(conn.info.port, pair)
            while pair.produce(1, label="lost") < following:
                pass
            pair.move()
            # when it takes over
            pair.source.close()
            cluster.stop("immediate")
            conn.execute("select pg_promote(false)")
        wait_until(lambda: is_primary(standby), 30, "the promotion")
        pair.source_db = standby.database(pair.source_db.name)
        pair.source = pair.source_db.connect()
        produce(pair.source, pair.queue, 3, label="new")
        # then the tick that it makes has a number that was applied, and is not taken for it
        assert pair.tick() == pair.position
        assert_refused(pair, 3)
        pair.source.close()


def stop_following(conn: psycopg.Connection) -> None:
    """Have the standby receive nothing any more."""
    following = "select count(*) from pg_stat_wal_receiver"
    wait_until(lambda: value(conn, following) == 1, 30, "the standby to follow")
    conn.execute("alter system set primary_conninfo = ''")
    conn.execute("select pg_reload_conf()")
    wait_until(lambda: value(conn, following) == 0, 30, "the standby not to follow")


def next_tick_after_promotion(port: int, pair: Pair) -> int:
    """What a sequence has logged is some numbers ahead; those are skipped."""
    with pair.source_db.connect(port=port) as conn:
        name = value(conn, "select queue_tick_seq from pgq.queue")
        return 1 + int(value(conn, "select pg_sequence_last_value(%s::text::regclass)", name))
