"""What counts as wrong, as tables."""

from dataclasses import replace
from typing import Any

import pytest

from queue_mover.admin.health import Mark, judge_consumer, judge_queue, problems
from queue_mover.admin.status import Consumer, Queue, Status

QUEUE = Queue(
    name="q",
    tables=3,
    current_table=0,
    rotation_period=7200,
    since_rotation=100,
    half_rotated=False,
    tick_holds=False,
    external_ticker=False,
    ticker_paused=False,
    inserts_disabled=False,
    max_count=500,
    max_lag=3,
    idle_period=60,
    since_tick=5,
    last_tick=100,
    events_per_second=1.0,
    new_events=0,
    txid=1000,
    tick_txid=1000,
)
CONSUMER = Consumer(
    queue="q",
    name="c",
    lag=5,
    since_seen=5,
    last_tick=100,
    batch=None,
    pending=0,
    holds=False,
)
HOUR = 3600.0


@pytest.mark.parametrize(
    ("changes", "marks", "words"),
    [
        ({}, [], ""),
        # the ticker: due after the idle period at the latest, and given as long again
        ({"since_tick": 120}, [], ""),
        ({"since_tick": 121}, [Mark.TICKER], "no tick for 2m1s, one was due after 1m"),
        ({"since_tick": 11, "idle_period": 1, "max_lag": 0}, [], ""),
        ({"since_tick": 12, "idle_period": 1, "max_lag": 0}, [Mark.TICKER], "no tick for 12s"),
        ({"since_tick": 70, "idle_period": 1, "max_lag": 60}, [], ""),
        # with events waiting, due after the lag, and given 30 s or twice as long again
        ({"since_tick": 33, "new_events": 7}, [], ""),
        (
            {"since_tick": 34, "new_events": 7},
            [Mark.TICKER],
            "no tick for 34s while events wait, one was due after 3s",
        ),
        ({"since_tick": 60, "max_lag": 20, "new_events": 7}, [], ""),
        ({"since_tick": 61, "max_lag": 20, "new_events": 7}, [Mark.TICKER], "due after 20s"),
        # they do not make the ticker's time longer where it is idle for less
        ({"since_tick": 11, "idle_period": 1, "max_lag": 0, "new_events": 7}, [], ""),
        (
            {"since_tick": 12, "idle_period": 1, "max_lag": 0, "new_events": 7},
            [Mark.TICKER],
            "no tick for 12s, one was due after 1s",
        ),
        # nothing waits, or nobody can tell
        ({"since_tick": 120, "new_events": 0}, [], ""),
        ({"since_tick": 120, "new_events": -7}, [], ""),
        ({"since_tick": 120, "new_events": None}, [], ""),
        ({"since_tick": 9 * HOUR, "new_events": 7, "external_ticker": True}, [], ""),
        ({"since_tick": 34, "new_events": 7, "ticker_paused": True}, [Mark.PAUSED], "paused"),
        ({"since_tick": None, "last_tick": None}, [Mark.TICKER], "never ticked"),
        ({"since_tick": 9 * HOUR, "external_ticker": True}, [], ""),
        ({"since_tick": 9 * HOUR, "ticker_paused": True}, [Mark.PAUSED], "ticker paused"),
        # a ticker cannot help where the ids of the server are behind
        ({"txid": 999}, [Mark.EPOCH], "behind those of the ticks (1000)"),
        ({"txid": 999, "since_tick": 9 * HOUR}, [Mark.EPOCH], "would never be read"),
        ({"txid": 999, "since_tick": None, "tick_txid": None}, [Mark.TICKER], "never ticked"),
        ({"txid": 999, "ticker_paused": True}, [Mark.PAUSED, Mark.EPOCH], "paused"),
        ({"inserts_disabled": True}, [Mark.INSERTS], "inserts disabled"),
        # rotation
        ({"since_rotation": 2 * HOUR + 900}, [], ""),
        ({"since_rotation": 2 * HOUR + 901}, [Mark.ROTATION], "late by 15m1s: no maintenance"),
        ({"since_rotation": 901, "rotation_period": 0}, [Mark.ROTATION], "late by 15m1s"),
        ({"since_rotation": 900, "half_rotated": True}, [], ""),
        ({"since_rotation": 901, "half_rotated": True}, [Mark.ROTATION], "half done for 15m1s"),
        # several at once
        (
            {"ticker_paused": True, "inserts_disabled": True, "since_rotation": 3 * HOUR},
            [Mark.PAUSED, Mark.INSERTS, Mark.ROTATION],
            "",
        ),
    ],
)
def test_queue(changes: dict[str, Any], marks: list[Mark], words: str) -> None:
    found = judge_queue(replace(QUEUE, **changes), ())
    assert [problem.mark for problem in found] == marks
    assert words in " ".join(problem.text for problem in found)
    assert all(problem.remedy for problem in found)


LATE = replace(QUEUE, since_rotation=3 * HOUR)
HOLDER = replace(CONSUMER, name="slow", holds=True)


@pytest.mark.parametrize(
    ("queue", "consumers", "text"),
    [
        (LATE, (CONSUMER, HOLDER), "rotation late by 1h, held back by slow"),
        (
            LATE,
            (HOLDER, CONSUMER, replace(HOLDER, name="slower")),
            "rotation late by 1h, held back by slow, slower",
        ),
        (
            LATE,
            (CONSUMER,),
            "rotation late by 1h: no maintenance, or the table to be emptied is locked",
        ),
        (
            replace(LATE, tick_holds=True),
            (HOLDER,),
            "rotation late by 1h, held back by a transaction that is older than the one before",
        ),
        (
            replace(LATE, tick_holds=True, since_tick=3 * HOUR, external_ticker=True),
            (HOLDER,),
            "rotation late by 1h: there has been no tick since the one before",
        ),
        (
            # nobody reads the queue: PgQ rotates whatever the ticks say
            replace(LATE, tick_holds=True),
            (),
            "rotation late by 1h: no maintenance, or the table to be emptied is locked",
        ),
    ],
)
def test_who_holds_a_rotation_back(
    queue: Queue, consumers: tuple[Consumer, ...], text: str
) -> None:
    assert [problem.text for problem in judge_queue(queue, consumers)] == [text]


BEHIND = {"last_tick": 99, "pending": 7}


@pytest.mark.parametrize(
    ("changes", "mark", "text"),
    [
        ({}, None, ""),
        ({"since_seen": 600, **BEHIND}, None, ""),
        ({"since_seen": 601, **BEHIND}, Mark.CONSUMER, "not seen for 10m1s, 7 events wait"),
        ({"since_seen": 601, "last_tick": 99}, Mark.CONSUMER, "not seen for 10m1s"),
        # nothing to do: the ticker is dead, or slow
        ({"since_seen": 9 * HOUR}, None, ""),
        ({"since_seen": 601, "batch": 5}, Mark.CONSUMER, "not seen for 10m1s"),
        # subconsumers have no position
        ({"since_seen": 9 * HOUR, "last_tick": None, "lag": None}, None, ""),
        ({"lag": None}, Mark.POSITION, "its position, tick 100, is gone,"
         " and the queue cannot rotate"),
    ],
)  # fmt: skip
def test_consumer(changes: dict[str, Any], mark: Mark | None, text: str) -> None:
    found = judge_consumer(replace(CONSUMER, **changes), QUEUE)
    assert [(problem.mark, problem.text) for problem in found] == ([(mark, text)] if mark else [])


def test_remedy_can_be_pasted_for_any_name() -> None:
    queue = replace(QUEUE, name="it's", inserts_disabled=True, ticker_paused=True)
    assert [problem.remedy for problem in judge_queue(queue, ())] == [
        "SELECT pgq.set_queue_config('it''s', 'ticker_paused', 'false')",
        "UPDATE pgq.queue SET queue_disable_insert = false WHERE queue_name = 'it''s'",
    ]


def test_each_queue_is_judged_with_its_own_consumers() -> None:
    late = replace(LATE, name="late")
    consumers = (
        replace(CONSUMER, queue="late", name="a", since_seen=HOUR, last_tick=1),
        replace(CONSUMER, queue="q", name="b", holds=True),
        replace(CONSUMER, queue="q", name="c", lag=None),
    )
    status = Status("db", "15.1", False, "3.5", None, (late, QUEUE), consumers)
    found = [(problem.mark, problem.queue, problem.consumer) for problem in problems(status)]
    assert found == [
        (Mark.ROTATION, "late", None),
        (Mark.CONSUMER, "late", "a"),
        (Mark.POSITION, "q", "c"),
    ]
