"""The recipes of docs/shaping.md, run as they are written there."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.events import Event, insert_events, queue_events
from testbed.processes import wait_until
from testbed.queues import create_queue, install_pgq, install_pgq_ext, tick
from tests.docs.pages import ROOT, blocks
from tests.docs.terminal import Terminal, commands

PAGE = (ROOT / "docs" / "shaping.md").read_text()
MESSAGES = ("event_filter: ", "source database: ", 'queue "events" ')
"""How blocks begin that are messages; other tests provoke these."""


@pytest.fixture(scope="module")
def terminal(private_cluster: Callable[..., Cluster]) -> Iterator[Terminal]:
    cluster = private_cluster("shaping")
    with Terminal(cluster) as made:
        yield made
    cluster.stop()


def database(terminal: Terminal, name: str, queue: str) -> Database:
    """A database that is source and target, with an empty queue."""
    made = terminal.cluster.create_database(name)
    with made.connect() as conn:
        install_pgq(conn)
        install_pgq_ext(conn)
        create_queue(conn, queue)
    return made


def follow(terminal: Terminal, title: str) -> None:
    """Write the files under a heading, and enter its commands."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    name = ""
    for block in blocks(section):
        name = next(iter(re.findall(r"`(\w+\.ini)`", block.before)), name)
        if block.is_ini:
            terminal.write(name, block.text)
        else:
            for line in commands(block.text):
                terminal.enter(line)


def insert(place: Database, queue: str, events: list[Event]) -> None:
    """Insert events, and tick."""
    with place.connect() as conn:
        insert_events(conn, queue, events)
        tick(conn, queue)


def test_spread_one_queue_over_several_databases(terminal: Terminal) -> None:
    source = database(terminal, "app", "orders")
    parts = [database(terminal, f"part{number}", "orders") for number in range(3)]
    # when the movers run, and events of many keys arrive, of some more than one
    follow(terminal, "Spread one queue over several databases")
    keys = [None, "", "ü", *(f"k{number}" for number in range(40))]
    events = [Event("I", f"{n}", "public.t", key, None, "") for n in range(5) for key in keys]
    insert(source, "orders", events[:100])
    insert(source, "orders", events[100:])
    found = [queue_events(part, "orders") for part in parts]
    wait_until(lambda: sum(e.count() for e in found) >= len(events), 60, "all events", 0.1)
    # then each event is in exactly one of them, whole, and all of a key are there in order
    arrived = [each.read() for each in found]
    assert Counter(event for part in arrived for event in part) == Counter(events)
    assert all(len(part) > 20 for part in arrived)
    for part in arrived:
        theirs = {event.extra2 for event in part}
        assert part == [event for event in events if event.extra2 in theirs]
    terminal.enter("queue_mover3 -s --wait spread.ini")


def test_both_ways_between_two_databases(terminal: Terminal) -> None:
    east, west = (database(terminal, name, "events") for name in ("east", "west"))
    follow(terminal, "Both ways between two databases")
    wait_until(lambda: waiting(east) and waiting(west), 60, "both consumers", 0.1)
    # when both sides produce, in several rounds
    made: dict[str, list[Event]] = {"east": [], "west": []}
    for number in range(3):
        for name, place in (("east", east), ("west", west)):
            events = [Event("I", f"{name} {number}.{n}", "public.t", "k") for n in range(20)]
            made[name] += events
            insert(place, "events", events)
    total = sum(len(each) for each in made.values())
    found = {
        name: queue_events(place, "events") for name, place in (("east", east), ("west", west))
    }
    wait_until(lambda: min(e.count() for e in found.values()) >= total, 60, "all events", 0.1)
    # and what has arrived gets ticks, so that it could come back
    for place in (east, west, east, west):
        with place.connect() as conn:
            tick(conn, "events")
    wait_until(lambda: [*waiting(east), *waiting(west)] == [0, 0], 60, "both movers", 0.1)
    for name in ("east_to_west", "west_to_east"):
        terminal.enter(f"queue_mover3 -s --wait {name}.ini")
    # then each side has its own events, and those of the other marked; each once, in order
    for name, other in (("east", "west"), ("west", "east")):
        arrived = found[name].read()
        assert [event for event in arrived if event.extra4 is None] == made[name]
        marked = [replace(event, extra4=other) for event in made[other]]
        assert [event for event in arrived if event.extra4 is not None] == marked


def waiting(place: Database) -> list[int]:
    """How many ticks each consumer of the queue has not finished."""
    with place.connect() as conn:
        rows = conn.execute(
            "select (select last_tick_id from pgq.get_queue_info('events')) - last_tick"
            " from pgq.get_consumer_info('events')"
        ).fetchall()
    return [ticks for (ticks,) in rows]


def test_no_command_is_left_out() -> None:
    """What the tests above enter is all there is."""
    shell = [block for block in blocks(PAGE) if not block.is_ini]
    entered = [block for block in shell if not block.text.startswith(MESSAGES)]
    assert [len(commands(block.text)) for block in entered] == [2, 2]
