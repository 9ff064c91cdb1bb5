"""What the table on a terminal says: estimates and rows, as tables of cases."""

import math

import pytest

from queue_mover.observation.progress import (
    BatchInProgress,
    BatchSeen,
    ErrorKind,
    ErrorSeen,
    MoverSnapshot,
    State,
)
from queue_mover.reporting.terminal import rows
from queue_mover.reporting.terminal.estimates import Estimate, Rate, Reading


def mover(state: State = State.RUNNING, **values: object) -> MoverSnapshot:
    return MoverSnapshot(**{"source": "shard", "state": state, **values})  # type: ignore[arg-type]


def batch(events: int, total: int | None, seconds: float = 5.0) -> BatchInProgress:
    return BatchInProgress(events, total, seconds)


# Rates


def test_a_steady_rate_is_known_at_once() -> None:
    rate = Rate(10)
    assert rate.value is None
    for second in range(5):
        rate.add(100 * second, second)
        if second:
            assert rate.value == pytest.approx(100)


def test_a_rate_forgets_and_never_falls_below_nothing() -> None:
    rate = Rate(10)
    rate.add(0, 0)
    rate.add(1000, 1)
    rate.add(1000, 100)
    assert rate.value == pytest.approx(0, abs=0.1)
    # a batch that failed is counted anew
    rate.add(500, 101)
    assert rate.value == pytest.approx(0, abs=0.1)


# The backlog


def drained(seconds: int, *, speed: int, backlog: int, arriving: int = 0) -> Reading:
    """A mover that has moved for so long, seen each second."""
    estimate = Estimate()
    before = mover()
    reading = estimate.at(before, 0)
    for second in range(seconds + 1):
        now = mover(events=speed * second, span=speed * second, batches=second)
        left = backlog + (arriving - speed) * second
        estimate.read(left, 1.0, now, now, second)
        reading = estimate.at(now, second)
    return reading


def test_a_backlog_that_is_drained() -> None:
    reading = drained(10, speed=100, backlog=10_000)
    assert reading.left == 9_000
    assert reading.share == pytest.approx(0.1)
    assert reading.rate == pytest.approx(100)
    assert reading.seconds_left == pytest.approx(90)


def test_arriving_events_make_it_take_longer() -> None:
    reading = drained(10, speed=100, backlog=10_000, arriving=50)
    assert reading.left == 9_500
    assert reading.seconds_left == pytest.approx(190)


def test_a_backlog_that_grows() -> None:
    reading = drained(10, speed=100, backlog=10_000, arriving=300)
    assert reading.seconds_left == math.inf
    assert rows.row(reading).time_left == "growing"


def test_what_is_moved_in_a_moment_is_no_backlog() -> None:
    reading = drained(10, speed=1000, backlog=11_000)
    assert reading.left == 1000
    assert reading.share is None


def test_events_of_the_batch_in_progress_are_moved() -> None:
    estimate = Estimate()
    now = mover(batch=batch(0, 2_000_000))
    estimate.read(2_000_000, 1.0, now, now, 0)
    estimate.at(now, 0)
    reading = estimate.at(mover(batch=batch(500_000, 2_000_000)), 10)
    assert reading.left == 1_500_000
    assert reading.share == pytest.approx(0.25)
    assert reading.seconds_left == pytest.approx(30)


def test_a_read_during_a_commit_does_not_count_a_batch_twice() -> None:
    # given
    estimate = Estimate()
    before, after = mover(), mover(events=10_000, span=10_000, batches=1)
    estimate.read(50_000, 1.0, before, before, 0)
    # when a batch arrives while the database is read
    estimate.read(50_000, 1.0, before, after, 5)
    # then what was read before counts
    assert estimate.at(after, 5).left == 40_000


def test_an_idle_mover_has_no_backlog_of_before() -> None:
    estimate = Estimate()
    before = mover()
    estimate.read(5_000, 1.0, before, before, 0)
    reading = estimate.at(mover(State.IDLE, events=4_000, span=4_000, batches=1), 5)
    assert reading.left == 0


def test_an_idle_mover_shows_events_that_wait_for_a_tick() -> None:
    estimate = Estimate()
    idle = mover(State.IDLE)
    estimate.read(5_000, 60.0, idle, idle, 0)
    reading = estimate.at(idle, 5)
    assert reading.left == 5_000
    assert reading.lag == 65


def test_nothing_is_known_before_the_first_read() -> None:
    row = rows.row(Estimate().at(mover(), 0))
    assert (row.left, row.lag, row.rate, row.share) == ("-", "-", "-", None)


def test_lag_follows_the_last_batch_by_the_clock_of_the_source() -> None:
    # given a source whose clock is an hour ahead
    estimate = Estimate()
    now = mover(reached=1000.0 + 3600, batches=1)
    estimate.read(0, 2.0, now, now, 1002.0)
    assert estimate.at(now, 1002.0).lag == pytest.approx(2)
    # when a batch ends at a later tick
    later = mover(reached=1010.0 + 3600, batches=2)
    # then its lag is known without another read
    assert estimate.at(later, 1011.0).lag == pytest.approx(1)


# Words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (9_999, "9999"),
        (12_345, "12.3k"),
        (999_499, "999k"),
        (1_250_000, "1.25M"),
        (123_456_789, "123M"),
        (5_000_000_000, "5.00G"),
    ],
)
def test_counts_are_short(value: float | None, text: str) -> None:
    assert rows.compact(value) == text


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (batch(500_000, 2_000_000), "500k/2.00M 25%"),
        (batch(500_000, None), "500k so far"),
        (batch(500, 400), "500 so far"),
        (batch(500_000, 2_000_000, 0.5), "300 in 2s"),
        (None, "300 in 2s"),
    ],
    ids=["progress", "total_unknown", "more_than_expected", "short", "between"],
)
def test_the_batch(progress: BatchInProgress | None, text: str) -> None:
    last = BatchSeen(300, 2.0, 0.0)
    assert rows.row(Reading(mover(batch=progress), last_batch=last)).batch == text


def test_the_last_batch_with_events_is_shown_after_empty_ones() -> None:
    estimate = Estimate()
    estimate.at(mover(last_batch=BatchSeen(300, 2.0, 0.0)), 0)
    reading = estimate.at(mover(last_batch=BatchSeen(0, 0.1, 0.0)), 1)
    assert rows.row(reading).batch == "300 in 2s"


def readings(count: int) -> list[Reading]:
    return [Reading(mover(source=f"s{n}"), left=float(n), lag=1.0) for n in range(count)]


def test_all_rows_fit() -> None:
    assert rows.choose(readings(5), 5) == [0, 1, 2, 3, 4]


def test_where_not_all_rows_fit_the_worst_are_shown_in_their_order() -> None:
    several = readings(10)
    several[2] = Reading(mover(State.FAILING, source="s2"))
    assert rows.choose(several, 3) == [2, 8, 9]


def test_the_sum_of_all() -> None:
    row = rows.total(
        [
            Reading(mover(), 100.0, 3_000.0, 0.25, 30.0, 5.0),
            Reading(mover(), 50.0, 1_000.0, 0.75, 20.0, 9.0),
            Reading(mover(State.FAILING, errors={ErrorKind.TARGET: 2}), 0.0, 0.0, None, 0.0, 1.0),
        ]
    )
    assert (row.name, row.state, row.errors) == ("3 sources", "1 failing", "2")
    assert (row.left, row.rate, row.time_left, row.lag) == ("4000", "150", "30s", "9s")
    assert row.share == pytest.approx(0.5)


def failing(source: str, text: str, remedy: str = "") -> Reading:
    seen = ErrorSeen(ErrorKind.TARGET, text, remedy, 0.0)
    return Reading(mover(State.FAILING, source=source, last_errors=(seen,)))


def test_an_error_of_many_sources_is_one_line() -> None:
    several = [
        failing("a", "no queue", "create it"),
        *(failing(f"s{n}", "target away") for n in range(5)),
        Reading(mover(last_errors=(ErrorSeen(ErrorKind.OTHER, "over", "", 0.0),))),
    ]
    assert rows.problems(several, 3) == [
        "5 sources: target away",
        "a: no queue; remedy: create it",
    ]


@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_errors_have_no_more_room_than_there_is(room: int) -> None:
    several = [failing(f"s{n}", f"error {n}") for n in range(5)]
    lines = rows.problems(several, room)
    assert len(lines) == room
    if room:
        assert lines[-1] == f"{6 - room} more errors; see the log"


def test_the_summary() -> None:
    movers = [
        mover(events=7, batches=1, errors={ErrorKind.SOURCE: 2}, quarantined=1),
        mover(events=3, batches=1),
    ]
    assert rows.summary(movers, 61.25) == (
        "moved 10 events in 2 batches, 61.2 s, 2 failures, 1 quarantined"
    )
    assert rows.summary([mover(events=1, batches=1)], 1.0) == (
        "moved 1 event in 1 batch, 1.0 s, 0 failures"
    )
