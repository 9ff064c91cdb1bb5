"""The short version of `make torture`: both layouts, one round each, any seed."""

import sys
from pathlib import Path

import pytest

from testbed.processes import run
from testbed.programs import find_program

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(400)
def test_nothing_is_lost_or_duplicated() -> None:
    find_program("pgqd")
    done = run(
        [sys.executable, "-m", "torture", "--faults", "40", "--seconds", "75"],
        cwd=ROOT,
        timeout=380,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "nothing lost, nothing duplicated" in done.stdout
