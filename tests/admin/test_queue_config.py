"""pgqadm config, on real databases."""

import psycopg
import pytest

from queue_mover.admin import queue_config, queues
from queue_mover.admin.queue_config import Change, QueueConfig
from queue_mover.errors import OperatorError

DEFAULTS = (
    ("queue_ticker_max_lag", "00:00:03"),
    ("queue_ticker_max_count", "500"),
    ("queue_ticker_idle_period", "00:01:00"),
    ("queue_rotation_period", "02:00:00"),
)


def test_show_one_queue_or_all(source: psycopg.Connection, source_queue: str) -> None:
    assert queue_config.show(source) == [QueueConfig(source_queue, DEFAULTS)]
    queues.create(source, "another")
    assert [config.queue for config in queue_config.show(source)] == ["another", source_queue]
    assert queue_config.show(source, "another") == [QueueConfig("another", DEFAULTS)]


def test_change_with_and_without_prefix_touches_one_queue(
    source: psycopg.Connection, source_queue: str
) -> None:
    queues.create(source, "another")

    changes = queue_config.change(
        source,
        source_queue,
        [
            "ticker_max_lag=100 ms",
            "queue_ticker_max_count = 1000",
            "ticker_idle_period=5",
            "queue_rotation_period=1 day 2 hours",
        ],
    )

    assert changes == [
        Change("queue_ticker_max_lag", "00:00:03", "00:00:00.1"),
        Change("queue_ticker_max_count", "500", "1000"),
        Change("queue_ticker_idle_period", "00:01:00", "00:00:05"),
        Change("queue_rotation_period", "02:00:00", "1 day 02:00:00"),
    ]
    (config,) = queue_config.show(source, source_queue)
    assert config.values == tuple((change.variable, change.new) for change in changes)
    assert queue_config.show(source, "another") == [QueueConfig("another", DEFAULTS)]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("ticker_max_lags=3", 'no variable "ticker_max_lags"; allowed: queue_ticker_max_lag, '),
        ("ticker_paused=1", 'no variable "ticker_paused"; allowed: .*queue_rotation_period$'),
        ("=3", 'no variable ""; allowed'),
        ("ticker_max_lag", '"ticker_max_lag" is not of the form VAR=VALUE'),
        ("ticker_max_lag=soon", 'queue_ticker_max_lag: "soon" is not an interval of 0 or more'),
        ("ticker_max_lag=-1 s", 'queue_ticker_max_lag: "-1 s" is not an'),
        ("rotation_period=", 'queue_rotation_period: "" is not an'),
        ("ticker_max_count=1.5", 'queue_ticker_max_count: "1.5" is not a whole number'),
        ("ticker_max_count=-1", 'queue_ticker_max_count: "-1" is not a'),
        ("ticker_max_count=9999999999", 'queue_ticker_max_count: "9999999999" is not a'),
        ("ticker_max_count=1'; drop table x; --", "queue_ticker_max_count: .* is not a whole"),
    ],
)
@pytest.mark.parametrize("good_first", [True, False])
def test_one_wrong_value_changes_nothing(
    source: psycopg.Connection,
    source_queue: str,
    assignment: str,
    message: str,
    good_first: bool,
) -> None:
    good = ["queue_ticker_idle_period=9 s"]
    assignments = [*good, assignment] if good_first else [assignment, *good]

    with pytest.raises(OperatorError, match=message):
        queue_config.change(source, source_queue, assignments)

    assert queue_config.show(source, source_queue) == [QueueConfig(source_queue, DEFAULTS)]


@pytest.mark.usefixtures("source_queue")
def test_missing_queue_is_named(source: psycopg.Connection) -> None:
    with pytest.raises(OperatorError, match=r'no queue "typo" .*existing: from_here'):
        queue_config.show(source, "typo")
    with pytest.raises(OperatorError, match=r'no queue "typo" .*existing: from_here'):
        queue_config.change(source, "typo", ["ticker_max_lag=1"])


def test_text_is_aligned() -> None:
    assert queue_config.config_lines([]) == ["no queues"]
    assert queue_config.config_lines([QueueConfig("q", DEFAULTS)]) == [
        "q",
        "    queue_ticker_max_lag     = 00:00:03",
        "    queue_ticker_max_count   = 500",
        "    queue_ticker_idle_period = 00:01:00",
        "    queue_rotation_period    = 02:00:00",
    ]
    assert queue_config.change_lines("q", [Change("queue_ticker_max_lag", "a", "b")]) == [
        "q",
        "    queue_ticker_max_lag = b (was a)",
    ]
