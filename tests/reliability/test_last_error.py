"""The last error of a mover is kept on its target, and costs the mover nothing."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from queue_mover.config.loading import load_mover
from queue_mover.config.settings import MoverSettings
from queue_mover.errors import UnavailableError
from queue_mover.observation.progress import BatchInProgress
from queue_mover.service.error_record import ErrorRecord
from queue_mover.service.job import Step
from queue_mover.service.recorded_job import RecordedJob
from testbed.cluster import Cluster
from testbed.database import Database
from testbed.ini import ini_text
from testbed.processes import wait_until

AWAY = "host=127.0.0.1 port=1 password=hunter2"
ENOUGH = 10.0


@pytest.fixture
def mover(target_db: Database, tmp_path: Path) -> MoverSettings:
    """A mover into target_db."""
    file = tmp_path / "job.ini"
    main = {"src_db": AWAY, "dst_db": target_db.conninfo(), "queue_name": "q",
            "dst_queue_name": "all"}  # fmt: skip
    file.write_text(ini_text({"queue_mover3": main}))
    (settings,) = load_mover(file, {}).movers
    return settings


@pytest.fixture
def frozen(target_cluster: Cluster) -> Iterator[None]:
    """A target that does not answer."""
    target_cluster.freeze()
    yield
    target_cluster.thaw()


def rows(target: psycopg.Connection) -> list[Any]:
    """What the target knows: consumer, message, whether that is over."""
    return target.execute(
        "select consumer, message, recovered is not null from queue_mover.last_error order by 1"
    ).fetchall()


def settled(record: ErrorRecord) -> None:
    """Wait until it has written."""
    record.settle(ENOUGH)


class Broken:
    """A job that fails until it is mended."""

    broken = True

    def prepare(self) -> None:
        """Is ready."""

    def step(self) -> Step:
        """Fails."""
        if self.broken:
            raise UnavailableError("source database not available: refused")
        return Step(worked=False)

    def stop(self) -> None:
        """Has nothing to stop."""

    finish = close = abandon = stop

    def sleep(self, seconds: float, stopping: Event) -> None:
        """Sleeps as long."""
        stopping.wait(seconds)

    def waiting_since(self) -> float | None:
        """Waits for nothing."""
        return None

    def batch(self) -> BatchInProgress | None:
        """Copies nothing."""
        return None

    def connections(self) -> Mapping[str, int]:
        """Has none."""
        return {}


def test_an_error_and_its_end(target: psycopg.Connection, mover: MoverSettings) -> None:
    record, job = ErrorRecord(), Broken()
    recorded = RecordedJob(job, mover, record)
    # when it fails again and again
    for _ in range(3):
        with pytest.raises(UnavailableError):
            recorded.step()
    settled(record)
    # then it is one row
    message = "source database not available: refused"
    assert rows(target) == [("job", message, False)]
    # and when it works again
    job.broken = False
    recorded.step()
    settled(record)
    assert rows(target) == [("job", message, True)]


def test_another_error_takes_its_place(target: psycopg.Connection, mover: MoverSettings) -> None:
    record = ErrorRecord()
    record.failed(mover, ValueError("first\nin two lines"))
    settled(record)
    assert rows(target) == [("job", "first in two lines", False)]
    record.failed(mover, KeyError())
    settled(record)
    assert rows(target) == [("job", "KeyError", False)]


def test_a_target_that_is_down_hears_of_it_later(
    target_db: Database, mover: MoverSettings, target_cluster: Cluster
) -> None:
    record = ErrorRecord()
    target_cluster.stop()
    record.failed(mover, UnavailableError("target database not available"))
    settled(record)
    target_cluster.start()
    record.recovered(mover)
    settled(record)
    with target_db.connect() as target:
        assert rows(target) == [("job", "target database not available", True)]


@pytest.mark.parametrize(
    "damage",
    [
        "drop function queue_mover.record_error(text, text, text, integer, interval, interval)",
        "revoke execute on all functions in schema queue_mover from pgq_writer",
        "drop table queue_mover.last_error",
        "drop schema queue_mover cascade",
    ],
)
def test_a_target_that_does_not_take_it_is_left_alone(
    target: psycopg.Connection, target_db: Database, mover: MoverSettings, damage: str
) -> None:
    """Given an older schema, or a role without the right, then nothing else happens."""
    role = f"writer_{target_db.name}"
    target.execute(f"create role {role} login".encode())
    target.execute(f"grant pgq_writer to {role}".encode())
    target.execute(damage.encode())
    record = ErrorRecord()
    mover = replace(mover, dst_db=target_db.conninfo(user=role))
    record.failed(mover, ValueError("bad"))
    settled(record)
    record.recovered(mover)
    settled(record)
    assert threading.active_count() < 50
    target.execute(f"drop role {role}".encode())


def test_a_writer_may_record_it(
    target: psycopg.Connection, target_db: Database, mover: MoverSettings
) -> None:
    role = f"writer_{target_db.name}"
    target.execute(f"create role {role} login".encode())
    target.execute(f"grant pgq_writer to {role}".encode())
    record = ErrorRecord()
    record.failed(replace(mover, dst_db=target_db.conninfo(user=role)), ValueError("bad"))
    settled(record)
    assert rows(target) == [("job", "bad", False)]
    target.execute(f"drop role {role}".encode())


@pytest.mark.usefixtures("frozen")
def test_a_target_that_does_not_answer_holds_nobody_up(mover: MoverSettings) -> None:
    """Given a frozen server, then a thousand errors are noted in no time, by one thread."""
    record = ErrorRecord()
    before, threads = time.monotonic(), threading.active_count()
    for number in range(1000):
        consumer = f"job.{number}"
        other = replace(mover, route=replace(mover.route, consumer=consumer))
        record.failed(other, ValueError("bad"))
    took = time.monotonic() - before
    assert took < ENOUGH / 2
    assert threading.active_count() <= threads + 1
    # and a job that ends by itself waits for a moment only
    recorded = RecordedJob(Broken(), mover, record)
    with pytest.raises(UnavailableError):
        recorded.step()
    recorded.close()


def test_a_job_that_is_stopped_waits_for_nothing(mover: MoverSettings) -> None:
    class Never(ErrorRecord):
        """Nothing is ever written."""

        def settle(self, timeout: float) -> None:
            raise AssertionError("it waited")

    recorded = RecordedJob(Broken(), mover, Never())
    with pytest.raises(UnavailableError):
        recorded.step()
    recorded.stop()
    recorded.close()


def test_thousands_of_errors_are_kept_once(
    target: psycopg.Connection, mover: MoverSettings
) -> None:
    """Given many sources with a common target, then each has its row, over few connections."""
    record = ErrorRecord()
    for number in range(200):
        route = replace(mover.route, consumer=f"job.{number}")
        record.failed(replace(mover, route=route), ValueError("bad"))
    settled(record)
    wait_until(lambda: len(rows(target)) == 200, ENOUGH, "all rows")
