"""What the tests do around the commands of the tutorial and of the how-to guides."""

import re

from testbed.database import value
from tests.docs.terminal import Terminal

# tutorial.md


def the_tutorial_was_true(terminal: Terminal) -> None:
    """What it says about each output; its databases are gone."""
    said = {command: result.stdout for command, result in terminal.said.items()}

    def answer(part: str) -> str:
        return next(text for command, text in said.items() if part in command)

    assert "order 2" in answer("ev_txid")
    assert "order 1" not in answer("ev_txid")
    assert answer("-c \"select pgq.next_batch('orders', 'accounting')\"").split()[2:] == [
        "(1",
        "row)",
    ]
    assert "order 2" in answer("get_batch_events")
    batch = answer("| tee batch").strip()
    assert batch == answer("-Atc \"select pgq.next_batch('orders', 'accounting')\"").strip() != ""
    assert "(3 rows)" in answer("information_schema.tables")
    moved = answer('-d central -c "select ev_id')
    assert "order 3" in moved
    assert "order 2" not in moved
    position = re.search(r"orders_to_central \| +(\d+)", answer("pgq_ext.completed_tick"))
    assert position
    ticks = [text for command, text in said.items() if "get_consumer_info" in command]
    assert re.search(rf"orders_to_central \| +{position[1]}\b", ticks[-1])


# two-movers.md


def one_stood_by(terminal: Terminal) -> None:
    """Both are stopped in the end but the one that was restarted."""
    assert len(terminal.daemons()) == 1
    status = next(said.stdout for command, said in terminal.said.items() if "--status" in command)
    assert "1 source, 0 events waiting" in status


# upgrading.md


def the_mover_runs_again(terminal: Terminal) -> None:
    assert len(terminal.daemons()) == 1
    installed = terminal.said["pgqadm.py central.ini install"].stdout
    assert "already installed, updated" in installed


# removing.md


def the_databases_are_as_before(terminal: Terminal) -> None:
    ours = "select count(*) from pg_namespace where nspname in ('pgq_ext', 'queue_mover')"
    with terminal.cluster.connect("central") as conn:
        assert value(conn, ours) == 0
    with terminal.cluster.connect("app") as conn:
        assert value(conn, "select count(*) from pg_namespace where nspname = 'pgq'") == 0
    assert terminal.daemons() == set()
