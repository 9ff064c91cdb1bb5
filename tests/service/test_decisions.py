"""After each step: go on, sleep, retry or end."""

import psycopg
import pytest

from queue_mover import errors
from queue_mover.service.decisions import POLL, is_fatal, is_quiet, pause
from queue_mover.service.job import Step

# error, fatal at the start, fatal later; of a process that loops
LOOPING = [
    (errors.UnavailableError("away"), False, False),
    (errors.StatementError("odd"), False, False),
    (RuntimeError("a defect"), False, False),
    (errors.NotReadyError("no queue"), True, False),
    (errors.LostPositionError("lost"), True, True),
    (errors.UnlockedMoverError("beside us"), True, True),
    (errors.BadEventError("bad"), True, True),
    (errors.ConfigError("wrong"), True, True),
    (MemoryError(), True, True),
]


@pytest.mark.parametrize(
    ("error", "at_start", "later"), LOOPING, ids=[type(row[0]).__name__ for row in LOOPING]
)
def test_which_errors_end_a_worker(error: Exception, *, at_start: bool, later: bool) -> None:
    assert is_fatal(error, looping=True, worked_before=False) is at_start
    assert is_fatal(error, looping=True, worked_before=True) is later


@pytest.mark.parametrize("error", [row[0] for row in LOOPING])
@pytest.mark.parametrize("worked_before", [False, True])
def test_without_looping_every_error_ends_it(error: Exception, *, worked_before: bool) -> None:
    assert is_fatal(error, looping=False, worked_before=worked_before)


def caused() -> Exception:
    error = errors.StatementError("target database: value too long")
    error.__cause__ = psycopg.errors.StringDataRightTruncation()
    return error


@pytest.mark.parametrize(
    ("names", "quiet"),
    [
        ((), False),
        (("ALL",), True),
        (("StatementError",), True),
        (("QueueMoverError",), True),
        (("StringDataRightTruncation",), True),
        (("DatabaseError",), True),
        (("KeyError", "DataError"), True),
        (("KeyError",), False),
        (("statementerror",), False),
        (("UnavailableError",), False),
    ],
)
def test_which_errors_are_quiet(names: tuple[str, ...], *, quiet: bool) -> None:
    assert is_quiet(caused(), names) is quiet


def test_an_error_without_cause_can_be_quiet() -> None:
    assert is_quiet(KeyError(), ("LookupError",))
    assert not is_quiet(KeyError(), ("StatementError",))


WORKED = Step(worked=True, count=5)
EMPTY = Step(worked=True, count=0)
IDLE = Step(worked=False)
WAITS = Step(worked=False, standby=True)


@pytest.mark.parametrize(
    ("step", "loop_delay", "seconds"),
    [
        (WORKED, 1.0, 0),
        (EMPTY, 1.0, 0),
        (IDLE, 1.0, 1.0),
        (IDLE, 0.05, 0.05),
        (WAITS, 0.05, 0.05),
        (WORKED, 0, 0),
        (EMPTY, 0, 0),
        (IDLE, 0, None),
        (WAITS, 0, POLL),
        (WORKED, -1, None),
        (IDLE, -1, None),
        (WAITS, -1, None),
    ],
)
def test_pause(step: Step, loop_delay: float, seconds: float | None) -> None:
    """While there is work there is no sleep; 0 ends when drained, negative after one batch."""
    assert pause(step, loop_delay) == seconds
