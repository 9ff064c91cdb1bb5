"""What counts as wrong, as tables."""

from dataclasses import replace
from typing import Any

import pytest

from queue_mover.observation.database import Consumer, DatabaseStatus, Quarantine, Queue
from queue_mover.observation.database_findings import (
    LagLimit,
    judge_consumer,
    judge_queue,
    problems,
)
from queue_mover.observation.findings import MARKS, Code, Place, Severity, marks

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
    batch_end=None,
    pending=0,
    waiting=None,
    holds=False,
)
STATUS = DatabaseStatus("db", "15.1", False, "3.5", None, (), (), ())
HOUR = 3600.0


@pytest.mark.parametrize(
    ("changes", "codes", "words"),
    [
        ({}, [], ""),
        # the ticker: due after the idle period at the latest, and given as long again
        ({"since_tick": 120}, [], ""),
        ({"since_tick": 121}, [Code.TICKER], "no tick for 2m1s, one was due after 1m"),
        ({"since_tick": 11, "idle_period": 1, "max_lag": 0}, [], ""),
        ({"since_tick": 12, "idle_period": 1, "max_lag": 0}, [Code.TICKER], "no tick for 12s"),
        ({"since_tick": 70, "idle_period": 1, "max_lag": 60}, [], ""),
        # with events waiting, due after the lag, and given 30 s or twice as long again
        ({"since_tick": 33, "new_events": 7}, [], ""),
        (
            {"since_tick": 34, "new_events": 7},
            [Code.TICKER],
            "no tick for 34s while events wait, one was due after 3s",
        ),
        ({"since_tick": 60, "max_lag": 20, "new_events": 7}, [], ""),
        ({"since_tick": 61, "max_lag": 20, "new_events": 7}, [Code.TICKER], "due after 20s"),
        # they do not make the ticker's time longer where it is idle for less
        ({"since_tick": 11, "idle_period": 1, "max_lag": 0, "new_events": 7}, [], ""),
        (
            {"since_tick": 12, "idle_period": 1, "max_lag": 0, "new_events": 7},
            [Code.TICKER],
            "no tick for 12s, one was due after 1s",
        ),
        # nothing waits, or nobody can tell
        ({"since_tick": 120, "new_events": 0}, [], ""),
        ({"since_tick": 120, "new_events": -7}, [], ""),
        ({"since_tick": 120, "new_events": None}, [], ""),
        ({"since_tick": 9 * HOUR, "new_events": 7, "external_ticker": True}, [], ""),
        (
            {"since_tick": 34, "new_events": 7, "ticker_paused": True},
            [Code.TICKER_PAUSED],
            "paused",
        ),
        ({"since_tick": None, "last_tick": None}, [Code.TICKER], "never ticked"),
        ({"since_tick": 9 * HOUR, "external_ticker": True}, [], ""),
        # a ticker cannot help where the ids of the server are behind
        ({"txid": 999}, [Code.TRANSACTION_IDS_BEHIND], "behind those of the ticks (1000)"),
        (
            {"txid": 999, "since_tick": 9 * HOUR},
            [Code.TRANSACTION_IDS_BEHIND],
            "would never be read",
        ),
        ({"txid": 999, "since_tick": None, "tick_txid": None}, [Code.TICKER], "never ticked"),
        (
            {"txid": 999, "ticker_paused": True},
            [Code.TICKER_PAUSED, Code.TRANSACTION_IDS_BEHIND],
            "paused",
        ),
        ({"since_tick": 9 * HOUR, "ticker_paused": True}, [Code.TICKER_PAUSED], "ticker paused"),
        ({"inserts_disabled": True}, [Code.INSERTS_DISABLED], "inserts disabled"),
        # rotation
        ({"since_rotation": 2 * HOUR + 900}, [], ""),
        ({"since_rotation": 2 * HOUR + 901}, [Code.ROTATION], "overdue by 15m1s: no maintenance"),
        ({"since_rotation": 901, "rotation_period": 0}, [Code.ROTATION], "overdue by 15m1s"),
        ({"since_rotation": 900, "half_rotated": True}, [], ""),
        ({"since_rotation": 901, "half_rotated": True}, [Code.ROTATION], "incomplete for 15m1s"),
        # several at once
        (
            {"ticker_paused": True, "inserts_disabled": True, "since_rotation": 3 * HOUR},
            [Code.TICKER_PAUSED, Code.INSERTS_DISABLED, Code.ROTATION],
            "",
        ),
    ],
)
def test_queue(changes: dict[str, Any], codes: list[Code], words: str) -> None:
    found = judge_queue(replace(QUEUE, **changes), ())
    assert [problem.code for problem in found] == codes
    assert words in " ".join(problem.text for problem in found)
    assert all(problem.remedy for problem in found)


LATE = replace(QUEUE, since_rotation=3 * HOUR)
HOLDER = replace(CONSUMER, name="slow", holds=True)


@pytest.mark.parametrize(
    ("queue", "consumers", "text"),
    [
        (LATE, (CONSUMER, HOLDER), "rotation overdue by 1h, held back by slow"),
        (
            LATE,
            (HOLDER, CONSUMER, replace(HOLDER, name="slower")),
            "rotation overdue by 1h, held back by slow, slower",
        ),
        (
            LATE,
            (CONSUMER,),
            "rotation overdue by 1h: no maintenance, or the table to be truncated is locked",
        ),
        (
            replace(LATE, tick_holds=True),
            (HOLDER,),
            "rotation overdue by 1h, held back by a transaction older than the last rotation",
        ),
        (
            replace(LATE, tick_holds=True, since_tick=3 * HOUR, external_ticker=True),
            (HOLDER,),
            "rotation overdue by 1h: no tick since the last rotation",
        ),
        (
            # nobody reads the queue: PgQ rotates whatever the ticks say
            replace(LATE, tick_holds=True),
            (),
            "rotation overdue by 1h: no maintenance, or the table to be truncated is locked",
        ),
    ],
)
def test_who_holds_a_rotation_back(
    queue: Queue, consumers: tuple[Consumer, ...], text: str
) -> None:
    assert [problem.text for problem in judge_queue(queue, consumers)] == [text]


BEHIND = {"last_tick": 99, "pending": 7, "since_seen": 1000.0}


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({}, None, ""),
        # its first tick has waited for no longer than trouble_after
        ({**BEHIND, "waiting": 300}, None, ""),
        # it has: either nobody is at work, or somebody who is slow
        ({**BEHIND, "waiting": 301}, Code.CONSUMER_NOT_SEEN,
         "not seen for 16m40s, 7 events waiting"),
        ({**BEHIND, "waiting": 301, "pending": 1}, Code.CONSUMER_NOT_SEEN,
         "not seen for 16m40s, 1 event waiting"),
        ({**BEHIND, "waiting": 301, "pending": 0}, Code.CONSUMER_NOT_SEEN, "not seen for 16m40s"),
        ({**BEHIND, "waiting": 900, "since_seen": 300}, Code.CONSUMER_LAGGING,
         "lagging: 7 events waiting for up to 15m"),
        ({**BEHIND, "waiting": 900, "since_seen": 300, "pending": 0}, None, ""),
        # nothing to do: the ticker is dead, or slow
        ({"since_seen": 9 * HOUR}, None, ""),
        # subconsumers have no position
        ({"since_seen": 9 * HOUR, "last_tick": None, "lag": None}, None, ""),
        ({"lag": None, "waiting": 9 * HOUR}, Code.POSITION_GONE, "its position, tick 100, no longer"
         " exists, and the queue cannot rotate"),
    ],
)  # fmt: skip
def test_consumer(changes: dict[str, Any], code: Code | None, text: str) -> None:
    found = judge_consumer(replace(CONSUMER, **changes), LagLimit(300))
    assert [(problem.code, problem.text) for problem in found] == ([(code, text)] if code else [])


@pytest.mark.parametrize(
    ("limit", "codes"),
    [
        (LagLimit(900), [Code.CONSUMER_NOT_SEEN]),
        (LagLimit(1200), []),
        (LagLimit(900, 99), [Code.CONSUMER_NOT_SEEN]),
        (LagLimit(900, 101), []),
        (LagLimit(900, float("inf")), []),
    ],
)
def test_how_long_is_too_long_can_be_set(limit: LagLimit, codes: list[Code]) -> None:
    """And what a consumer leaves on purpose does not count."""
    late = replace(CONSUMER, **BEHIND, waiting=1000.0)  # type: ignore[arg-type]
    assert [problem.code for problem in judge_consumer(late, limit)] == codes


def test_findings_say_since_when() -> None:
    late = replace(CONSUMER, waiting=700.0, since_seen=800.0)
    assert [problem.since for problem in judge_consumer(late, LagLimit(300))] == [800.0]
    silent = replace(QUEUE, since_tick=121.0, since_rotation=3 * HOUR)
    assert [problem.since for problem in judge_queue(silent, ())] == [121.0, HOUR]


def test_every_code_has_a_letter_and_a_line_shows_each_once() -> None:
    assert set(MARKS) == set(Code)
    found = judge_queue(replace(QUEUE, ticker_paused=True, inserts_disabled=True), ())
    assert marks([*found, *found]) == "PI"


def test_remedy_can_be_pasted_for_any_name() -> None:
    queue = replace(QUEUE, name="it's", inserts_disabled=True, ticker_paused=True)
    assert [problem.remedy for problem in judge_queue(queue, ())] == [
        "SELECT pgq.set_queue_config('it''s', 'ticker_paused', 'false')",
        "UPDATE pgq.queue SET queue_disable_insert = false WHERE queue_name = 'it''s'",
    ]


def test_each_queue_is_judged_with_its_own_consumers() -> None:
    late = replace(LATE, name="late")
    consumers = (
        replace(CONSUMER, queue="late", name="a", since_seen=HOUR, waiting=HOUR),
        replace(CONSUMER, queue="q", name="b", holds=True),
        replace(CONSUMER, queue="q", name="c", lag=None),
    )
    status = replace(STATUS, queues=(late, QUEUE), consumers=consumers)
    found = [(problem.code, problem.place) for problem in problems(status, 300)]
    assert found == [
        (Code.ROTATION, Place(queue="late")),
        (Code.CONSUMER_NOT_SEEN, Place(queue="late", consumer="a")),
        (Code.POSITION_GONE, Place(queue="q", consumer="c")),
    ]


def test_a_version_that_pgqd_does_not_accept_is_a_warning() -> None:
    (finding,) = problems(replace(STATUS, pgq=None), 300)
    assert (finding.code, finding.severity) == (Code.PGQ_VERSION, Severity.WARNING)
    assert finding.remedy == "pgqadm.py CONFIG install"


def test_quarantined_events_are_a_warning_for_each_consumer() -> None:
    held = (Quarantine("a", 3, 60.0), Quarantine("it's", 1, 5.0))
    found = problems(replace(STATUS, quarantined=held), 300)
    assert [(f.code, f.severity, f.place.consumer, f.text, f.since) for f in found] == [
        (Code.QUARANTINE, Severity.WARNING, "a", "3 events in quarantine", 60.0),
        (Code.QUARANTINE, Severity.WARNING, "it's", "1 event in quarantine", 5.0),
    ]
    assert "WHERE consumer = 'it''s'" in found[1].remedy
