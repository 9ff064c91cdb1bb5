"""table_filter: only the events of some tables, by their ev_extra1."""

import pytest

from queue_mover.model import Outcome, Result
from testbed.events import Event
from tests.moving.pair import Pair

TABLES = [
    "public.a",
    "public.b",
    "a",
    "other.a",
    "public.A",
    "public.ab",
    "public.a ",
    "",
    "public.täble",
    "schéma.表",
    "public.it's",
    'public."odd"',
    "public.back\\slash",
    "public.100%",
    "public.%",
    "public.two words",
    None,
]


@pytest.mark.parametrize("table", [table for table in TABLES if table])
def test_exactly_one_table_passes(registered: Pair, table: str) -> None:
    registered.insert(*(Event(data="x", extra1=name) for name in TABLES))
    registered.move(tables=[table])
    assert [event.extra1 for event in registered.target_events.read()] == [table]


@pytest.mark.parametrize(
    ("table_filter", "passing"),
    [
        (
            # A name without a schema is in public; spaces and empty names do not count.
            'a,, täble ,schéma.表, it\'s,"odd", back\\slash, 100%%, two words,',
            {"a", "täble", "it's", '"odd"', "back\\slash", "100%", "two words", "schéma.表"},
        ),
        ("", set(TABLES)),
    ],
)
def test_as_written_in_the_file(
    registered: Pair, table_filter: str, passing: set[str | None]
) -> None:
    registered.insert(*(Event(data="x", extra1=name) for name in TABLES))
    registered.command(loop_delay=0, table_filter=table_filter).check()
    wanted = {name if name is None or "." in name else f"public.{name}" for name in passing}
    expected = TABLES if not table_filter else [name for name in TABLES if name in wanted]
    assert [event.extra1 for event in registered.target_events.read()] == expected


def test_a_batch_without_any_event_that_passes_is_done(registered: Pair) -> None:
    registered.insert(Event(extra1="public.b"))
    assert registered.move(tables=["public.a"]) == [Outcome(Result.MOVED, 0)]
    assert registered.position == registered.tick() - 1
