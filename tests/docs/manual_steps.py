"""What the tests do around the commands of the manual pages."""

import json

from testbed.database import value
from testbed.processes import wait_until
from tests.docs.terminal import PATIENCE, Terminal

PIDFILE = "eventlog_to_target.pid"


def _rows(terminal: Terminal, database: str, query: str) -> int:
    with terminal.cluster.connect(database) as conn:
        return int(value(conn, query))


def _moved(terminal: Terminal) -> int:
    return _rows(terminal, "targetdb", "select count(*) from pgq.event_1")


# queue_splitter3(1)


def a_splitter_that_is_ready(terminal: Terminal) -> None:
    """As the quick start of queue_mover3(1) would leave it, with a target queue for one name."""
    two_databases(terminal)
    for side, database, queue in (
        ("source", "sourcedb", "app_events"),
        ("target", "targetdb", "public.orders"),
    ):
        terminal.write(f"{side}.ini", f"[pgqadm]\ndb = dbname={database}")
        terminal.enter(f"pgqadm.py {side}.ini install")
        terminal.enter(f"pgqadm.py {side}.ini create {queue}")
    insert = "select pgq.insert_event('app_events', 'I', 'id=1', 'public.orders', null, null, null)"
    with terminal.cluster.connect("sourcedb") as conn:
        conn.execute("select pgq.register_consumer('app_events', 'split_app')")
        conn.execute(insert)
        conn.execute("select pgq.force_tick('app_events')")
        conn.execute("select pgq.ticker('app_events')")


def the_order_is_in_its_queue(terminal: Terminal) -> None:
    assert _moved(terminal) == 1


# queue_mover3(1)


def two_databases(terminal: Terminal) -> None:
    terminal.create_database("sourcedb")
    terminal.create_database("targetdb")


def wait_for_the_event(terminal: Terminal) -> None:
    """The ticker and the mover wait some seconds."""
    wait_until(lambda: _moved(terminal) == 1, PATIENCE, "the event", 0.2)


def the_mover_runs(terminal: Terminal) -> None:
    """The example before may have been for one that does not."""
    if not (terminal.folder / PIDFILE).exists():
        terminal.enter("queue_mover3 -d mover.ini")


def an_event_waits(terminal: Terminal) -> None:
    """And no mover runs."""
    terminal.enter("queue_mover3 -s --wait mover.ini")
    with terminal.cluster.connect("sourcedb") as conn:
        conn.execute("select pgq.insert_event('eventlog', 'greeting', 'hello again')")
        conn.execute("select pgq.force_tick('eventlog')")
        conn.execute("select pgq.ticker()")


def both_events_have_arrived(terminal: Terminal) -> None:
    assert _moved(terminal) == 2


def the_mover_has_gone(terminal: Terminal) -> None:
    assert _rows(terminal, "sourcedb", "select count(*) from pgq.subscription") == 0
    said = {command: result.stdout for command, result in terminal.said.items()}
    assert len(json.loads(said["queue_mover3 --status --json mover.ini"])["sources"]) == 1


# pgqadm(1)


def the_databases_of_pgqadm(terminal: Terminal) -> None:
    terminal.create_database("app")
    terminal.create_database("central")


def nothing_is_left(terminal: Terminal) -> None:
    assert _rows(terminal, "app", "select count(*) from pgq.queue") == 0
    said = {command: result.stdout for command, result in terminal.said.items()}
    changed = next(text for command, text in said.items() if "ticker_max_lag=" in command)
    assert "00:00:05" in changed
