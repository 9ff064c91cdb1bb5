"""Rewriting: columns of the target set by expressions over the columns of the source."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from queue_mover.errors import BadEventError
from testbed.events import Event
from tests.moving.pair import Pair
from tests.shaping.shaped import Again, shaped

EVENTS = [
    Event("I", "one", "public.orders", "k", None, "", time="2020-01-01 00:00:00"),
    Event(None, None, None, "ü ✓", "it's", "100%", time="2021-01-01 00:00:00"),
]

REWRITES: list[tuple[dict[str, str], list[dict[str, Any]]]] = [
    ({"ev_extra4": "'app1'"}, [{"extra4": "app1"}] * 2),
    ({"ev_extra4": "null"}, [{"extra4": None}] * 2),
    ({"ev_type": "'app1.' || ev_type"}, [{"type": "app1.I"}, {"type": None}]),
    # the source's columns, not each other's new values
    (
        {"ev_type": "ev_data", "ev_data": "ev_type"},
        [{"type": "one", "data": "I"}, {"type": None, "data": None}],
    ),
    # other types become the column's
    ({"ev_extra1": "ev_id > 0"}, [{"extra1": "true"}] * 2),
    ({"ev_extra2": "42"}, [{"extra2": "42"}] * 2),
    ({"ev_extra3": "'x'::char(3)"}, [{"extra3": "x"}] * 2),
    (
        {"ev_time": "'2030-01-01 UTC'"},
        [{"time": "2030-01-01 00:00:00"}] * 2,
    ),
    (
        {"ev_time": "ev_time + '1 day'"},
        [{"time": "2020-01-02 00:00:00"}, {"time": "2021-01-02 00:00:00"}],
    ),
    # what could end it, and what the server joins
    ({"ev_extra1": "'-- ' || 'ü)' -- ' a comment"}, [{"extra1": "-- ü)"}] * 2),
    (
        {"ev_data": "(select string_agg(x, '+') from unnest(array[ev_extra2, 'z']) x)"},
        [{"data": "k+z"}, {"data": "ü ✓+z"}],
    ),
]


@pytest.fixture(scope="module")
def again(shared_queues: Pair) -> Again:
    return Again(shared_queues, EVENTS)


@pytest.mark.parametrize("insert", [False, True], ids=["copy", "insert"])
@pytest.mark.parametrize(("rewrite", "changes"), REWRITES, ids=[str(row[0]) for row in REWRITES])
def test_the_rest_of_an_event_stays(
    again: Again, rewrite: dict[str, str], changes: list[dict[str, Any]], insert: bool
) -> None:
    arrived = again.moved(insert=insert, **rewrite)
    if insert:
        # It sets the time of arrival, and the config refuses to rewrite that.
        arrived = [replace(e, time=given.time) for e, given in zip(arrived, EVENTS, strict=True)]
        changes = [{k: v for k, v in change.items() if k != "time"} for change in changes]
    assert arrived == [
        replace(event, **change) for event, change in zip(EVENTS, changes, strict=True)
    ]


def test_the_filter_sees_what_the_source_has(again: Again) -> None:
    arrived = again.moved("ev_type = 'I'", ev_type="'changed'")
    assert arrived == [replace(EVENTS[0], type="changed")]


def test_an_event_that_the_target_rejects_is_named_among_those_that_pass(registered: Pair) -> None:
    registered.target.execute(
        f"alter table {registered.target_events.table}_0 add check (ev_data <> 'bad')".encode()
    )
    registered.insert(Event("x", "no"), Event("x", "no"), Event("I", "good"), Event("J", "worse"))
    number = registered.source_events.read()[3].id
    with (
        closing(
            shaped(
                registered,
                "ev_data <> 'no'",
                ev_data="case ev_data when 'worse' then 'bad' else ev_data end",
            )
        ) as mover,
        pytest.raises(BadEventError, match=rf"rejected event {number} \(2001-.*, type J\)"),
    ):
        registered.move(mover)


def test_quarantine_keeps_what_would_have_been_written(registered: Pair) -> None:
    """Its number and time are the source's, to find it there."""
    registered.target.execute(
        f"alter table {registered.target_events.table}_0 add check (ev_data <> 'new bad')".encode()
    )
    registered.insert(Event("I", "good"), Event("I", "bad"), Event("U", "bad"))
    shape: dict[str, Any] = {"ev_data": "'new ' || ev_data", "ev_time": "'2030-01-01 UTC'"}
    with closing(shaped(registered, "ev_type = 'I'", quarantine=True, **shape)) as mover:
        registered.move(mover)
    assert registered.target_events.read() == [Event("I", "new good", time="2030-01-01 00:00:00")]
    kept = registered.target.execute(
        "select ev_id, (ev_time at time zone 'UTC')::text, ev_type, ev_data"
        " from queue_mover.quarantine where consumer = %s",
        [registered.consumer],
    ).fetchall()
    assert kept == [(registered.source_events.read()[1].id, Event().time, b"I", b"new bad")]
