"""What is remembered of a source: counts, errors, and a half hour in a ring."""

import math
import threading

import pytest

from queue_mover.errors import (
    BadEventError,
    NotReadyError,
    StoppingError,
    UnavailableError,
)
from queue_mover.observation.history import NOTHING, PERIOD, PERIODS, History
from queue_mover.observation.progress import BATCH_SECONDS, ErrorKind, State
from queue_mover.service.job import Step
from queue_mover.service.record import ERRORS_KEPT, Record, Records, kind_of


def test_batches_are_counted_by_how_long_they_took() -> None:
    record = Record()
    for seconds in (0.001, 0.01, 0.02, 10_000.0):
        record.succeeded(Step(worked=True, count=5, quarantined=1, size=100), seconds)
    seen = record.snapshot("s")
    assert (seen.events, seen.size, seen.batches, seen.quarantined) == (20, 400, 4, 4)
    assert seen.batch_counts[:2] == (2, 1)
    assert seen.batch_counts[-1] == 1
    assert len(seen.batch_counts) == len(BATCH_SECONDS) + 1
    assert sum(seen.rates) == 20
    assert seen.last_batch is not None
    assert seen.last_batch.seconds == 10_000.0


@pytest.mark.parametrize(
    ("step", "state"),
    [
        (Step(worked=True, count=0), State.RUNNING),
        (Step(worked=False), State.IDLE),
        (Step(worked=False, standby=True), State.STANDBY),
    ],
)
def test_the_state_is_that_of_the_last_step(step: Step, state: State) -> None:
    record = Record()
    assert record.snapshot("s").state is State.STARTING
    record.failed(NotReadyError("no queue"))
    assert record.snapshot("s").state is State.FAILING
    record.succeeded(step, 0.1)
    assert record.snapshot("s").state is state
    record.end(None)
    assert record.snapshot("s").state is State.STOPPED


def test_an_error_that_comes_again_is_kept_once_and_counted() -> None:
    record = Record()
    for number in range(10):
        record.failed(UnavailableError(f"target database away {number % 2}; remedy: wait"))
    seen = record.snapshot("s")
    assert [(e.text, e.remedy, e.times) for e in seen.last_errors] == [
        ("target database away 1", "wait", 5),
        ("target database away 0", "wait", 5),
    ]
    assert seen.errors == {ErrorKind.TARGET: 10}


def test_few_errors_are_kept() -> None:
    record = Record()
    for number in range(100):
        record.failed(RuntimeError(f"error {number}"))
    assert [e.text for e in record.snapshot("s").last_errors] == [
        f"error {number}" for number in range(99, 99 - ERRORS_KEPT, -1)
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UnavailableError("source database not available"), ErrorKind.SOURCE),
        (UnavailableError("target database not available"), ErrorKind.TARGET),
        (NotReadyError("no queue"), ErrorKind.NOT_READY),
        (BadEventError("bad"), ErrorKind.BAD_EVENT),
        (ZeroDivisionError(), ErrorKind.OTHER),
    ],
)
def test_kinds_of_errors(error: Exception, kind: ErrorKind) -> None:
    assert kind_of(error) is kind


def test_a_consumer_that_was_unregistered_is_no_error_but_said() -> None:
    record = Record()
    record.end(StoppingError("its consumer was unregistered"))
    seen = record.snapshot("s")
    assert seen.errors == {}
    assert seen.last_errors[0].text == "its consumer was unregistered"


def test_sources_that_have_left_are_forgotten_and_refused_ones_are_stopped() -> None:
    records = Records("job")
    for name in ("", "a", "b"):
        records.of(name)
    records.keep(["", "a", "c"])
    seen = records.snapshot({"c": "c.ini: bad row; remedy: mend it"}, planned=True)
    assert [(m.source, m.state) for m in seen.movers] == [
        ("job", State.STARTING),
        ("a", State.STARTING),
        ("c", State.STOPPED),
    ]
    assert seen.movers[2].last_errors[0].remedy == "mend it"


def test_the_ring_forgets_what_is_older_than_half_an_hour() -> None:
    history = History()
    assert history.values(0) == ()
    history.add(0, 1)
    history.add(PERIOD / 2, 1)
    history.add(PERIOD * 2, 5)
    assert history.values(PERIOD * 2)[-3:] == (2, 0, 5)
    assert history.values(PERIOD * (PERIODS - 1))[:3] == (2, 0, 5)
    assert history.values(PERIOD * PERIODS)[:2] == (0, 5)
    assert set(history.values(PERIOD * PERIODS * 10)) == {0}


def test_the_ring_keeps_the_last_value_of_a_period() -> None:
    history = History(NOTHING)
    history.put(0, 7)
    history.put(1, 8)
    history.put(PERIOD * 3, 9)
    *_, first, second, third, fourth = history.values(PERIOD * 3)
    assert (first, fourth) == (8, 9)
    assert math.isnan(second)
    assert math.isnan(third)


def test_a_snapshot_is_never_half_a_batch() -> None:
    """Given a thread that counts, when others look, then events and batches fit."""
    record, end = Record(), threading.Event()

    def count() -> None:
        while not end.is_set():
            record.succeeded(Step(worked=True, count=3), 0.1)

    thread = threading.Thread(target=count)
    thread.start()
    for _ in range(300):
        seen = record.snapshot("s")
        assert seen.events == 3 * seen.batches == 3 * sum(seen.batch_counts)
    end.set()
    thread.join()
