"""The files of contrib/, and the programs that read them."""

import shutil
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parents[2] / "contrib"


def optional_program(name: str, package: str) -> str:
    """The path of a program that the project does not require; skips the test without it."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{name} is not installed; remedy: apt-get install {package}")
    return found
