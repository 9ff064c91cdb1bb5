"""Trouble with real movers, as `pgqadm status --movers` sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_mover.config.loading import load_mover
from queue_mover.observation.findings import Code
from queue_mover.observation.source_findings import judge
from queue_mover.observation.sources import gather
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.encodings import create_encoded
from testbed.processes import Result, run, script, wait_until
from testbed.queues import insert_bytes
from tests.moving.pair import Pair


@pytest.fixture
def poisoned(
    source_cluster: Cluster, source_db: Database, target_db: Database, tmp_path: Path
) -> Iterator[Pair]:
    """An event that the target cannot take."""
    name = f"careless_{source_db.name}"
    pair = Pair(create_encoded(source_cluster, name, "SQL_ASCII"), target_db, tmp_path)
    pair.register()
    insert_bytes(pair.source, pair.queue, b"type", b"caf\xe9")
    pair.tick()
    yield pair
    pair.close()
    source_cluster.start().drop_database(name)


def status(pair: Pair, *words: str) -> Result:
    return run([script("pgqadm.py"), "status", "--movers", pair.ini(), *words])


def test_a_mover_that_a_poison_event_has_ended_is_in_trouble(poisoned: Pair) -> None:
    # given
    assert poisoned.command(loop_delay=0.05).returncode == 1
    # when its event has waited for longer than trouble_after
    seen: list[Result] = []

    def is_missed() -> bool:
        seen.append(status(poisoned, "--set", "trouble_after=1"))
        return "  C  mover: not seen for " in seen[-1].stdout

    wait_until(is_missed, 30, "the mover to be missed")
    # then the exit code, the summary and a line with the command say so
    assert seen[-1].returncode == 1
    assert seen[-1].stdout.endswith(", 1 in trouble.\n")
    assert "remedy: start its mover: queue_mover3 -d CONFIG" in seen[-1].stdout
    # and with the default it is too early to say
    assert status(poisoned).stdout.endswith(", 0 in trouble.\n")


def test_what_it_keeps_aside_is_shown_by_both_tables(poisoned: Pair) -> None:
    poisoned.command(loop_delay=0, on_bad_event="quarantine").check()
    result = status(poisoned)
    assert result.returncode == 1
    assert "1 in quarantine, 0 in trouble.\n" in result.stdout
    result = run([script("pgqadm.py"), "status", "--db", poisoned.target_db.conninfo()])
    assert result.returncode == 1
    assert f"{poisoned.consumer}: 1 event in quarantine" in result.stdout


def test_a_mover_at_work_is_never_taken_for_lost(
    source_db: Database, target_db: Database, tmp_path: Path
) -> None:
    """The two sides cannot be read at one moment; a mover between its two commits is well."""
    pair = Pair(source_db, target_db, tmp_path)
    pair.register()
    (settings,) = load_mover(pair.ini(), {}).movers
    pair.start(loop_delay=0.01)
    codes = set[Code]()
    for number in range(1, 31):
        pair.produce(5, label=f"round{number}")
        codes |= {finding.code for finding in judge(*gather([settings]))}
        pair.wait_for(5 * number)
    pair.close()
    assert Code.TICKS_DO_NOT_FIT not in codes
