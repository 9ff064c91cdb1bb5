"""A source without a ticker moves nothing: that is told, with the remedy."""

import logging

import pytest

from queue_mover.model import Result
from queue_mover.moving import tick_watch
from tests.moving.pair import Pair, age


@pytest.fixture(autouse=True)
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look whenever no batch comes."""
    monkeypatch.setattr(tick_watch, "INTERVAL", 0.0)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "without ticks" in line]


def test_a_missing_ticker_is_told_once_each_time(
    registered: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mover = registered.mover()
    registered.move(mover)
    assert told(caplog) == []
    # given no tick for so long that there is no ticker, and the same again after a tick
    for moved in (False, True):
        if moved:
            registered.produce(10)
            registered.move(mover)
        age(registered, "3 minutes", first=True)
        caplog.clear()
        # when the mover looks again and again
        for _ in range(3):
            assert mover.move_batch().result is Result.IDLE
        # then it says so once
        assert told(caplog) == [
            f'source database: queue "{registered.queue}": no tick for 3m, one was due after 0s;'
            " without ticks nothing is moved; remedy: start pgqd, or pgqadm.py CONFIG ticker"
        ]


def test_events_that_wait_make_it_sooner(
    registered: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    for setting, period in (("ticker_idle_period", "1 minute"), ("ticker_max_lag", "3 s")):
        registered.source.execute(
            "select pgq.set_queue_config(%s, %s, %s)", [registered.queue, setting, period]
        )
    # given a tick that is young enough for a queue without events
    registered.produce(10)
    mover = registered.mover()
    registered.move(mover)
    age(registered, "50 s", first=True)
    registered.move(mover)
    assert told(caplog) == []
    # when there are events
    registered.source.execute("select pgq.insert_event(%s, 't', 'd')", [registered.queue])
    registered.move(mover)
    assert len(told(caplog)) == 1


def test_a_paused_ticker_has_another_remedy(
    registered: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    registered.source.execute(
        "select pgq.set_queue_config(%s, 'ticker_paused', 'true')", [registered.queue]
    )
    age(registered, "3 minutes", first=True)
    registered.move()
    (line,) = told(caplog)
    assert "ticker paused" in line
    assert "pgq.set_queue_config" in line


def test_a_queue_with_an_external_ticker_is_its_owners_business(
    registered: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    registered.source.execute(
        "update pgq.queue set queue_external_ticker = true where queue_name = %s",
        [registered.queue],
    )
    age(registered, "3 minutes", first=True)
    registered.move()
    assert told(caplog) == []
