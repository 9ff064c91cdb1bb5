"""write_with = insert_event: for a role that may not COPY; everything arrives but the time."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from queue_mover.copying.insert import rows_in_chunks
from testbed.events import Event
from tests.moving.pair import Pair
from tests.moving.test_fields import FIELD_NAMES, TEXTS, with_fields


def test_text_arrives_and_the_time_is_of_the_arrival(registered: Pair) -> None:
    events = [with_fields({name: text}) for name in FIELD_NAMES for text in (*TEXTS, None)]
    events.append(Event(data="".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x110000)]))))
    registered.insert(*events)
    registered.move(insert=True)
    arrived = registered.target_events.read()
    assert [replace(event, time="") for event in arrived] == [
        replace(event, time="") for event in events
    ]
    ids = [event.id for event in arrived if event.id is not None]
    assert ids == list(range(ids[0], ids[0] + len(events)))
    assert len({event.txid for event in arrived}) == 1


@pytest.mark.parametrize(
    ("count", "size", "chunks"),
    [(1200, 10, [500, 500, 200]), (5, 3 * 2**20, [2, 2, 1]), (2, 9 * 2**20, [1, 1])],
)
def test_a_few_events_are_held_at_a_time(
    registered: Pair, count: int, size: int, chunks: list[int]
) -> None:
    select = f"select repeat('x', {size})::text from generate_series(1, {count})"
    with rows_in_chunks(registered.source, select, "UTF8") as found:
        assert [len(chunk) for chunk in found] == chunks


@pytest.fixture
def writer(pair: Pair) -> Iterator[str]:
    """The target, as a role that may insert events, and no more."""
    pair.target.execute("create role only_writes login; grant pgq_writer to only_writes")
    yield pair.target_db.conninfo(user="only_writes")
    pair.target.execute("drop owned by only_writes; drop role only_writes")


def test_a_role_that_may_only_insert(pair: Pair, writer: str) -> None:
    pair.register()
    pair.produce(10)
    pair.command(dst_db=writer, loop_delay=0, write_with="insert_event").check()
    assert pair.target_events.count() == 10


def test_quarantine_for_a_role_that_may_only_insert(pair: Pair, writer: str) -> None:
    # given an event that the target refuses
    pair.register()
    pair.target.execute("alter table pgq.event_1_0 add check (ev_data <> 'refused')")
    pair.produce(10, last="refused")
    # when it is to be kept aside, then the others arrive
    options = {"write_with": "insert_event", "on_bad_event": "quarantine"}
    pair.command(dst_db=writer, loop_delay=0, **options).check()
    assert pair.target_events.count() == 10
