"""Commands and daemons are run, watched and stopped."""

import signal
import sys
from pathlib import Path

import pytest

from testbed.processes import Process, Processes, run, wait_until
from testbed.procfs import process_alive

TALKER = "import sys, time; print('here', flush=True); print('oh', file=sys.stderr); time.sleep(60)"


def test_run_returns_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libpq's environment variables: they would redirect connections."""
    monkeypatch.setenv("PGHOST", "nowhere")
    program = "import os, sys; print(os.environ.get('PGHOST'), sys.stdin.read()); sys.exit('no')"
    result = run([sys.executable, "-c", program], stdin="hello")
    assert (result.returncode, result.stdout, result.stderr) == (1, "None hello\n", "no\n")
    with pytest.raises(AssertionError, match="hello"):
        result.check()


def test_a_process_is_killed_at_the_end_of_its_block(tmp_path: Path) -> None:
    with Process([sys.executable, "-c", TALKER], tmp_path) as process:
        process.wait_for_output("here")
        assert process.running
        assert process_alive(process.pid)
    assert process.returncode == -signal.SIGKILL
    assert process.stderr in ("", "oh\n")


def test_waiting_for_output_fails_at_once_when_the_process_exits(tmp_path: Path) -> None:
    with Process([sys.executable, "-c", "print('bye')"], tmp_path) as process:
        with pytest.raises(AssertionError, match="ended without 'hello'"):
            process.wait_for_output("hello", timeout=30)
        assert process.wait() == 0


def test_processes_are_killed_together(tmp_path: Path) -> None:
    """Given one that has exited, one that is frozen, and one that is running."""
    with Processes() as processes:
        ended = processes.start([sys.executable, "-c", "print('bye')"], tmp_path, name="ended")
        frozen = processes.start([sys.executable, "-c", TALKER], tmp_path, name="frozen")
        awake = processes.start([sys.executable, "-c", TALKER], tmp_path, name="awake")
        frozen.wait_for_output("oh")
        frozen.send(signal.SIGSTOP)
        assert ended.wait() == 0
    assert [each.returncode for each in (ended, frozen, awake)] == [0, -9, -9]


def test_daemons_are_killed_together(tmp_path: Path) -> None:
    """Given one that has exited and one that is running, neither of them our child."""
    detach = f"{sys.executable} -c '{{}}' > /dev/null 2>&1 & echo $! > {{}}"
    with Processes() as processes:
        for name, program in (("brief", "pass"), ("lasting", "import time; time.sleep(60)")):
            run(["sh", "-c", detach.format(program, tmp_path / name)]).check()
        brief, lasting = (processes.adopt(tmp_path / name) for name in ("brief", "lasting"))
        processes.wait_for_end(brief)
        assert process_alive(lasting)
    wait_until(lambda: not process_alive(lasting), 30, "it to exit")


def test_a_timeout_names_what_was_awaited() -> None:
    answers = iter([0, 0, 7])
    assert wait_until(lambda: next(answers), 5, "seven") == 7
    with pytest.raises(TimeoutError, match=r"waited 0.05 s for a miracle; the last value was ''"):
        wait_until(lambda: "", 0.05, "a miracle")


def test_a_process_does_not_inherit_our_ignored_signals(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Process([sys.executable, "-c", TALKER], tmp_path) as process:
            process.wait_for_output("here")
            process.send(signal.SIGINT)
            assert process.wait() != 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_process_that_ignores_stop_dumps_its_threads(tmp_path: Path) -> None:
    deaf = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {TALKER}"
    with Process([sys.executable, "-c", deaf], tmp_path) as process:
        process.wait_for_output("oh")
        with pytest.raises(TimeoutError, match="most recent call first"):
            process.stop(timeout=0.5)
