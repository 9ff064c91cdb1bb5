"""Every field arrives byte for byte; id and txid are the target's own."""

import itertools
import sys
from collections.abc import Mapping

import pytest
from psycopg import sql

from testbed.database import value
from testbed.events import Event
from testbed.queues import qualified
from tests.moving.pair import Pair

TIMES = [
    "infinity",
    "-infinity",
    "12000-01-01 00:00:00",
    "294276-12-31 23:59:59.999999",
    "4713-01-01 00:00:00 BC",
    "0044-03-15 12:00:00.000001 BC",
    "1999-12-31 23:59:59.999999",
    "2000-01-01 00:00:00",
    "2000-01-01 00:00:00.000001",
    "1970-01-01 00:00:00",
    "2024-03-31 02:30:00",
]
TEXTS = [
    "",
    " ",
    "  both sides  ",
    "it's",
    '"quoted"',
    "back\\slash",
    "\\",
    "\\.",
    "\\N",
    "\\\\x00",
    "a\nb",
    "a\r\nb",
    "\r",
    "a\tb",
    "\n\\.\n",
    "NULL",
    "a,b;c|d",
    "$1 %s %% %(x)s {} $$",
    "/* -- */ ; drop table x",
    "ünïcödé ✓ 😀 漢字",
    # NFC and NFD, a lone combining mark, writing directions, a BOM, a zero width space
    "\u00e9 e\u0301 \u0301 \u202eabc\u202c \ufeff \u200b",
    "x" * 70_000,
]
FIELD_NAMES = ("type", "data", "extra1", "extra2", "extra3", "extra4")
SURROGATES = range(0xD800, 0xE000)


def with_fields(fields: Mapping[str, str | None]) -> Event:
    """An event with these text fields."""
    kind, data, extra1, extra2, extra3, extra4 = map(fields.get, FIELD_NAMES)
    return Event(kind, data, extra1, extra2, extra3, extra4)


def assert_arrives(pair: Pair, *events: Event) -> None:
    """Given these events, when they are moved, then the target has exactly them, in order."""
    pair.insert(*events)
    pair.move()
    assert pair.target_events.read() == list(events)
    pair.assert_identical()


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_text_in_every_field(registered: Pair, name: str) -> None:
    assert_arrives(registered, *(with_fields({name: text}) for text in TEXTS))


def test_time(registered: Pair) -> None:
    assert_arrives(registered, *(Event(time=time, data=time) for time in TIMES))


def test_null_is_not_the_empty_string(registered: Pair) -> None:
    combinations = [
        with_fields(dict(zip(FIELD_NAMES, values, strict=True)))
        for values in itertools.product(["", None], repeat=len(FIELD_NAMES))
    ]
    assert_arrives(registered, *combinations)


def test_all_of_unicode(registered: Pair) -> None:
    """Every code point but NUL and the surrogates; plane by plane, as an event's data and type."""
    planes = [
        "".join(
            chr(point)
            for point in range(start, start + 0x10000)
            if point and point not in SURROGATES
        )
        for start in range(0, sys.maxunicode, 0x10000)
    ]
    assert sum(map(len, planes)) == sys.maxunicode - len(SURROGATES)
    assert_arrives(registered, *(Event(data=plane, type=plane[:3]) for plane in planes))


def test_control_characters(registered: Pair) -> None:
    controls = [chr(point) for point in (*range(1, 32), *range(127, 160))]
    assert_arrives(registered, *(Event(data=c, extra4=f"a{c}b") for c in controls))


def test_ten_megabytes_among_small_events(registered: Pair) -> None:
    payload = "".join(f"{number:>9}ü" for number in range(1_000_000))
    assert len(payload) == 10_000_000
    assert_arrives(registered, Event(data="before"), Event(data=payload), Event(data="after"))


def test_ids_come_from_the_targets_sequence_in_source_order(registered: Pair) -> None:
    # given a target whose sequence stands elsewhere
    sequence = value(
        registered.target,
        "select queue_event_seq from pgq.queue where queue_name = %s",
        registered.target_queue,
    )
    registered.target.execute("select setval(%s, 777000)", [sequence])
    # when events are moved in two batches
    registered.produce(1000)
    registered.move()
    registered.produce(1000)
    registered.move()
    # then their ids go on from there, without a gap, in the order of the source
    arrived = registered.target_events.read()
    assert [event.id for event in arrived] == list(range(777001, 779001))
    assert arrived == registered.source_events.read()
    assert value(registered.target, "select pgq.seq_getval(%s)", sequence) == 779000


def test_txid_is_the_transaction_on_the_target(registered: Pair) -> None:
    registered.produce(10)
    registered.move()
    statement = sql.SQL("""
        select count(distinct ev_txid), bool_and(ev_txid::text = xmin::text),
               bool_and(ev_owner is null and ev_retry is null) from {}
    """).format(qualified(registered.target_events.table))
    assert registered.target.execute(statement).fetchone() == (1, True, True)


def test_events_and_position_are_one_transaction(registered: Pair) -> None:
    registered.produce(10)
    registered.move()
    statement = sql.SQL("""
        select array_agg(distinct e.xmin::text), array_agg(distinct t.xmin::text)
          from {} e, pgq_ext.completed_tick t where consumer_id = {}
    """).format(qualified(registered.target_events.table), sql.Literal(registered.consumer))
    row = registered.target.execute(statement).fetchone()
    assert row is not None
    events, positions = row
    assert events == positions
    assert len(events) == 1
