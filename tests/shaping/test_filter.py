"""event_filter: only the events that meet an SQL condition, whatever it is."""

from contextlib import closing

import pytest

from queue_mover.model import Outcome, Result
from testbed.database import value
from testbed.events import Event
from tests.moving.pair import Pair
from tests.shaping.shaped import Again, shaped

EVENTS = [
    Event("I:id", "1", "public.orders", "k1", None, "", time="2020-01-01 00:00:00"),
    Event("U:id", "2", "public.audit", "k2", "100%", "it's", time="2021-01-01 00:00:00"),
    Event("D:id", None, None, "k3", "back\\slash", "tab\there", time="infinity"),
    Event("I:id", "täßt", "public.audit", None, "-- no comment", ";", time="2022-01-01 00:00:00"),
    Event(None, "", "", "", "", "('", time="-infinity"),
]


@pytest.fixture(scope="module")
def again(shared_queues: Pair) -> Again:
    return Again(shared_queues, EVENTS)


@pytest.mark.parametrize(
    ("event_filter", "passing"),
    [
        ("ev_type like 'I:%' and ev_extra1 <> 'public.audit'", [0]),
        ("ev_data is null", [2]),
        ("case when ev_data ~ '^[0-9]+$' then ev_data::int > 1 end", [1]),
        ("null::bool", []),
        ("true", [0, 1, 2, 3, 4]),
        # what an expression may contain that could end another, or the statement
        ("ev_extra3 = '-- no comment' -- a comment", [3]),
        ("ev_extra4 = ';' /* a ) comment ; */", [3]),
        ("ev_extra4 = '(''' ", [4]),
        ("ev_extra4 = $$('$$", [4]),
        ("ev_extra4 = E'(\\''", [4]),
        ("ev_extra3 = 'back\\slash'", [2]),
        ("ev_extra3 like '%\\%'", [1]),
        ("ev_data = 'täßt'", [3]),
        ("false or\n ev_type like 'D%'\n", [2]),
        # all columns of the source, whole events, subqueries
        ("ev_time < '2020-06-01' and ev_id > 0 and ev_txid > 0 and ev_retry is null", [0, 4]),
        ("row_to_json(ev)->>'ev_extra2' = 'k3'", [2]),
        ("ev_extra2 in (select 'k' || n from generate_series(2, 3) n)", [1, 2]),
        ("(select count(*) from pgq.queue q where q.queue_name = ev_type) = 0 and ev_id = 0", []),
        ("abs(hashtext(ev_extra2)) % 3 = abs(hashtext('k1')) % 3 and ev_extra2 = 'k1'", [0]),
    ],
)
def test_only_events_that_meet_it_arrive_whole_and_in_order(
    again: Again, event_filter: str, passing: list[int]
) -> None:
    assert again.moved(event_filter) == [EVENTS[number] for number in passing]


def test_both_filters_apply(again: Again) -> None:
    passing = again.moved("ev_type = 'U:id' or true", tables=("public.audit",))
    assert passing == [EVENTS[1], EVENTS[3]]


def test_a_batch_of_which_nothing_passes_is_done(registered: Pair) -> None:
    registered.insert(*EVENTS)
    with closing(shaped(registered, "ev_type = 'none'")) as mover:
        assert registered.move(mover) == [Outcome(Result.MOVED, 0)]
        # and how many events it has is not known
        assert (mover.copying.total, mover.copying.span) == (None, len(EVENTS))
    assert registered.position == registered.tick() - 1


def test_functions_are_found_in_the_session_s_search_path(registered: Pair) -> None:
    registered.source.execute("create schema if not exists helpers")
    registered.source.execute(
        "create or replace function helpers.wanted(t text) returns bool language sql"
        " as $$ select t = 'I:id' $$"
    )
    registered.insert(*EVENTS)
    ours = {"loop_delay": 0, "event_filter": "wanted(ev_type)"}
    # given no such path, then the function is missing before anything is moved
    refused = registered.command(**ours)
    assert refused.returncode == 1
    assert "event_filter: function wanted(text) does not exist, at character 1" in refused.stderr
    # when it is in the path that the connect string sets
    src_db = registered.source_db.conninfo(options="-csearch_path=helpers")
    registered.command(**ours, src_db=src_db).check()
    assert registered.target_events.read() == [EVENTS[0], EVENTS[3]]


@pytest.mark.parametrize(
    "way",
    [{}, {"write_with": "insert_event"}, {"on_bad_event": "quarantine"}],
    ids=lambda way: next(iter(way), "copy"),
)
def test_as_written_in_a_file(registered: Pair, way: dict[str, str]) -> None:
    """Doubled percent signs, a continued line, a reference, and text that is not ASCII."""
    registered.target.execute(
        f"alter table {registered.target_events.table}_0 add check (ev_data <> 'refused')".encode()
    )
    refused = [Event("I:id", "refused", "100%")] if "on_bad_event" in way else []
    sound = [Event("I:id", "sound", "100%"), Event("I:id", "sound", "täglich")]
    registered.insert(Event("U:id", "no", "100%"), *refused, *sound, Event("I:id", "no", "x"))
    registered.command(
        loop_delay=0,
        kind="'I:%%'",
        event_filter="ev_type like %(kind)s\n  and ev_extra1 in ('100%%', 'täglich') -- all",
        **way,
    ).check()
    arrived = registered.target_events.read()
    assert [(e.type, e.data, e.extra1) for e in arrived] == [
        (e.type, e.data, e.extra1) for e in sound
    ]
    kept = value(
        registered.target,
        "select count(*) from queue_mover.quarantine where consumer = %s",
        registered.consumer,
    )
    assert kept == len(refused)
