"""What /healthz says about a source, as a table; and addresses that cannot be listened on."""

import pytest

from queue_mover.config.http import Address
from queue_mover.errors import OperatorError
from queue_mover.observation.progress import (
    ErrorKind,
    ErrorSeen,
    MoverSnapshot,
    ProcessSnapshot,
    State,
)
from queue_mover.reporting.web.health import SILENCE, reasons
from queue_mover.reporting.web.server import resolve

ERROR = ErrorSeen(ErrorKind.TARGET, "no queue", "pgqadm.py CONFIG create q", 0.0, 1)
OTHER = ErrorSeen(ErrorKind.TARGET, "gone", "", 0.0, 1)


@pytest.mark.parametrize(
    ("mover", "expected"),
    [
        (MoverSnapshot("a", State.IDLE), []),
        (MoverSnapshot("a", State.RUNNING, unanswered=SILENCE), []),
        (
            MoverSnapshot("a", State.RUNNING, unanswered=SILENCE + 1),
            ["a: a server has not answered for 5m1s"],
        ),
        (MoverSnapshot("a", State.STOPPED), ["a: stopped"]),
        (
            MoverSnapshot("a", State.FAILING, last_errors=(ERROR, OTHER)),
            ["a: failing: no queue; remedy: pgqadm.py CONFIG create q"],
        ),
        (MoverSnapshot("a", State.FAILING, last_errors=(OTHER,)), ["a: failing: gone"]),
    ],
)
def test_a_source_that_does_not_progress_is_a_line(
    mover: MoverSnapshot, expected: list[str]
) -> None:
    assert reasons(ProcessSnapshot("job", 0.0, planned=True, movers=(mover,))) == expected


def test_a_process_without_a_config_is_not_healthy() -> None:
    assert reasons(ProcessSnapshot("job", 0.0, planned=False, movers=())) == [
        "the config has not been read yet; remedy: see the log"
    ]


def test_a_name_that_cannot_be_one_is_the_operators_error() -> None:
    name = "a" * 64 + ".example"
    with pytest.raises(OperatorError) as refused:
        resolve(Address(name, 8080))
    assert str(refused.value) == (
        f"http_listen = {name}:8080: not a host name;"
        " remedy: an address of this machine, such as 127.0.0.1"
    )
