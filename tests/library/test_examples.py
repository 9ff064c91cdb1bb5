"""The scripts of examples/, as their users run them."""

import runpy
import signal
import sys
from pathlib import Path

import pytest

from testbed.processes import Process, run, wait_until
from tests.docs.pages import ROOT
from tests.moving.holding import end_backends
from tests.moving.pair import Pair

EXAMPLES = ROOT / "examples"


def script(name: str, *arguments: str | Path) -> list[str | Path]:
    """The command line of an example."""
    return [sys.executable, EXAMPLES / name, *arguments]


def test_a_cron_job_drains_the_queue(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.produce(10)
    done = run(script("drain_once.py", pair.ini())).check()
    assert done.stdout == "10 events moved\n"
    assert pair.subscription() == (pair.position, None, None)
    pair.assert_identical()
    # and an error is a line, and an exit code
    monkeypatch.setattr(sys, "argv", ["", str(pair.ini(dst_queue_name="nowhere"))])
    assert runpy.run_path(str(EXAMPLES / "drain_once.py"))["main"]() == 1
    assert capsys.readouterr().err == (
        'drain_once: target database: no queue "nowhere"; remedy: pgqadm.py CONFIG create nowhere\n'
    )


def test_an_application_moves_in_a_thread_survives_an_outage_and_stops(
    queues: Pair, tmp_path: Path
) -> None:
    queues.consumer = "application"
    databases = (queues.source_db.conninfo(), queues.target_db.conninfo())
    line = script("in_application.py", *databases, queues.queue, queues.target_queue)
    with Process(line, tmp_path, name="application") as application:
        # given a batch that it has moved
        wait_until(queues.subscription, 30, "the registration")
        queues.produce(10)
        queues.wait_for(10)
        # when its connection is lost
        end_backends(queues.target, "application")
        queues.produce(10)
        # then it moves on, and ends at once
        queues.wait_for(20)
        assert application.stop(signal.SIGTERM) == 0
        assert "Traceback" not in application.stderr
    assert queues.subscription() == (queues.position, None, None)
    queues.assert_identical()
    # and an error that it cannot mend ends it
    with Process([*line[:-1], "nowhere"], tmp_path, name="wrong") as application:
        assert application.wait() == 1
        assert 'ERROR:application:target database: no queue "nowhere"' in application.stderr


WINDOWS = [
    (21, 22, 6, False),
    (22, 22, 6, True),
    (5, 22, 6, True),
    (6, 22, 6, False),
    (1, 1, 3, True),
    (3, 1, 3, False),
]
"""Hour, begin, end, and whether that is in the window."""


def test_by_night_only_and_at_a_pace(pair: Pair, tmp_path: Path) -> None:
    is_open = runpy.run_path(str(EXAMPLES / "at_night.py"))["is_open"]
    assert [is_open(*times) for *times, _ in WINDOWS] == [found for *_, found in WINDOWS]
    # given batches of a tick each, as many as the pace
    for label in ("one", "two"):
        pair.produce(10, label=label)
    with Process(script("at_night.py", pair.ini(), "0", "24", "10"), tmp_path) as night:
        pair.wait_for(10)
        # then it waits between them, and a stop ends that
        assert night.stop(signal.SIGTERM) == 0
        assert night.stdout.count("10 events in") == 1
    assert pair.target_events.count() == 10
    assert pair.subscription() == (pair.position, None, None)
