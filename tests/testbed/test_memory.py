"""Throwaway clusters are in memory where there is plenty; without it, and durable ones, on disk."""

from pathlib import Path

import pytest

from testbed.memory import NEEDED, SHARED_MEMORY, memory_directory


@pytest.mark.parametrize("needed", [NEEDED, 1])
def test_no_such_directory(tmp_path: Path, needed: int) -> None:
    assert memory_directory(tmp_path / "missing", needed) is None


def test_too_small() -> None:
    assert memory_directory(SHARED_MEMORY, 2**60) is None


def test_large_enough(tmp_path: Path) -> None:
    assert memory_directory(tmp_path, 1) == tmp_path
