"""The target of many sources is away: one line, and one when it is back."""

import time

from testbed.cluster import Cluster
from testbed.processes import free_port
from tests.sources.many import Many


def test_a_target_that_goes_has_one_line_for_all_sources(
    many: Many, target_cluster: Cluster
) -> None:
    # given sources that share a target
    many.crowd(5)
    many.main["dst_connections"] = 8
    process = many.start("-v")
    # when it goes, and stays away for many tries
    target_cluster.stop()
    for source in many.sources.values():
        source.produce(2)
    many.logged("still failing: target", 30)
    many.until(
        lambda: all(f"{name}: still failing: target" in many.log for name in many.sources),
        "every source to miss it",
    )
    target_cluster.start()
    many.target.close()
    many.target = many.target_db.connect()
    many.wait_for(**dict.fromkeys(many.sources, 2))
    assert process.stop() == 0
    # then
    assert len(many.errors()) == 1, many.errors()
    line = many.errors()[0]
    assert " ERROR target database not available: " in line
    assert f"dbname={many.target_db.name}" in line
    assert "; retrying at intervals of up to 0.2 s" in line
    assert many.log.count("target database available again (") == 1
    assert "recovered" not in many.log


def test_a_source_keeps_its_own_lines_beside_it(many: Many) -> None:
    """Given a source of its own that is down as well, then that is another line, with its name."""
    many.main["dst_db"] = f"host=127.0.0.1 port={free_port()} dbname=gone"
    many.section("shard1")["src_db"] = "host=127.0.0.1 port=1"
    process = many.launch("-v")
    many.logged("DEBUG shard1: still failing: source", 2)
    many.logged("still failing: target", 4)
    assert process.stop() == 0
    assert len(many.errors()) == 2
    assert len(many.errors("shard1: source database not available")) == 1
    assert len(many.errors("target database not available")) == 1


def test_another_outage_is_told_again(many: Many, target_cluster: Cluster) -> None:
    process = many.start()
    for times in (1, 2):
        target_cluster.stop()
        for source in many.sources.values():
            source.produce(1, first=times)
        many.logged("ERROR target database not available: ", times)
        time.sleep(0.5)
        target_cluster.start()
        many.logged("target database available again (", times)
    assert process.stop() == 0
    assert len(many.errors()) == 2
