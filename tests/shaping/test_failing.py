"""An expression that works for all events but one: the event is named, and the batch kept."""

from contextlib import closing

import pytest

from queue_mover.errors import ExpressionError, StatementError
from testbed.events import Event
from tests.moving.pair import Pair
from tests.shaping.shaped import shaped

EVENTS = [Event("I", str(number), extra1="public.t") for number in (7, 5, 0, 3)]
BEFORE = Event("I", "0", extra1="public.other")

FAILING = [
    # the filter, the rewrite, the event (by its data) that it fails for, and why
    ("", {"ev_extra2": "1 / ev_data::int"}, "0", "ev_extra2", "division by zero"),
    ("1 / ev_data::int < 9", {}, "0", "event_filter", "division by zero"),
    ("", {"ev_type": "'x'", "ev_data": "strict(ev_data)"}, "0", "ev_data", "no zero"),
    ("ev_data <> '7'", {"ev_time": "'1/' || ev_data"}, "5", "ev_time", "type timestamp"),
]


@pytest.fixture
def poisoned(registered: Pair) -> Pair:
    """A batch with an event by whose data one cannot divide, and one of a table left out."""
    registered.source.execute(
        "create or replace function public.strict(n text) returns text language plpgsql as"
        " $$ begin if n = '0' then raise exception 'no zero'; end if; return n; end $$"
    )
    registered.insert(BEFORE, *EVENTS)
    return registered


def number(pair: Pair, data: str) -> int | None:
    """The number of an event of the table."""
    return next(e.id for e in pair.source_events.read() if (e.data, e.extra1) == (data, "public.t"))


@pytest.mark.parametrize("way", ["copy", "insert", "quarantine"])
def test_the_event_and_the_key_are_named(poisoned: Pair, way: str) -> None:
    for event_filter, rewrite, data, key, reason in FAILING:
        mover = shaped(
            poisoned,
            event_filter,
            tables=("public.t",),
            insert=way == "insert",
            quarantine=way == "quarantine",
            **rewrite,
        )
        with closing(mover):
            if key == "ev_time" and way == "insert":
                # The config refuses the two together.
                continue
            with pytest.raises(ExpressionError) as error:
                mover.move_batch()
        text = str(error.value)
        assert f"{key} fails for event {number(poisoned, data)} (2001-02-03" in text
        assert reason in text
        assert "the batch is kept on the source; remedy: correct" in text
        assert "\n" not in text
    # then nothing has arrived, and the corrected mover moves the very batch
    assert poisoned.target_events.count() == 0
    with closing(shaped(poisoned, tables=("public.t",))) as corrected:
        poisoned.move(corrected)
    assert poisoned.target_events.read() == EVENTS


def test_a_mover_goes_on_when_the_function_is_corrected(poisoned: Pair) -> None:
    """No restart, no reload; the log says it once."""
    process = poisoned.start(ev_data="public.strict(ev_data)", table_filter="t")
    process.wait_for_output("ev_data fails for event")
    poisoned.source.execute(
        "create or replace function public.strict(n text) returns text language sql as 'select n'"
    )
    poisoned.wait_for(len(EVENTS))
    assert process.stop() == 0
    assert process.stderr.count("the batch is kept") == 1
    assert "Traceback" not in process.stderr
    assert poisoned.target_events.read() == EVENTS


def test_an_error_that_has_another_cause_is_left_alone(poisoned: Pair) -> None:
    poisoned.source.execute(
        "alter function pgq.batch_event_sql(int8) rename to batch_event_sql_2;"
        "create function pgq.batch_event_sql(x_batch_id int8) returns text language sql as"
        " $$ select 'select ''x''::int as ev_id, null::text as ev_data, null::text as ev_type,"
        " null::text as ev_extra1, null::text as ev_extra2, null::text as ev_extra3,"
        " null::text as ev_extra4, null::timestamptz as ev_time' $$"
    )
    try:
        mover = shaped(poisoned, "ev_data <> '0'")
        with closing(mover), pytest.raises(StatementError, match="invalid input syntax"):
            mover.move_batch()
    finally:
        poisoned.source.execute(
            "drop function pgq.batch_event_sql(int8);"
            "alter function pgq.batch_event_sql_2(int8) rename to batch_event_sql"
        )
