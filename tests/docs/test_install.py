"""The README's ways to install the program and to see it work."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_mover import __version__
from testbed.cluster import Cluster
from testbed.processes import run
from tests.demo.drawn import headings
from tests.docs.pages import README, ROOT, blocks
from tests.docs.terminal import Terminal, commands

PROJECT = ("src", "man", "completions", "contrib", "pyproject.toml", *("README.md", "LICENSE"))
"""What a build needs."""


def block_with(start: str) -> list[str]:
    """The commands of the README's block that has one that begins like this."""
    found = [commands(block.text) for block in blocks(README.read_text()) if block.is_shell]
    return next(block for block in found if any(line.startswith(start) for line in block))


@pytest.fixture
def clone(source_cluster: Cluster) -> Iterator[Terminal]:
    """In a copy of the project, where nothing is installed but Python; with pip's usual cache."""
    pip = run([sys.executable, "-m", "pip", "index", "versions", "psycopg"])
    if pip.returncode != 0:
        pytest.skip("no package registry can be reached")
    python = Path(sys.base_prefix) / "bin"
    with Terminal(source_cluster, path=f"{python}:/usr/bin:/bin", patience=240) as terminal:
        for name in PROJECT:
            source, copy = ROOT / name, terminal.folder / "clone" / name
            copy.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*.egg-info"))
            else:
                shutil.copy(source, copy)
        cache = run([sys.executable, "-m", "pip", "cache", "dir"]).stdout.strip()
        terminal.enter(f"export PIP_CACHE_DIR='{cache}'; cd clone")
        yield terminal


def works(terminal: Terminal, program: str) -> bool:
    return terminal.enter(f"{program} --version").stdout.splitlines()[0].split()[-1] == __version__


@pytest.mark.timeout(600)
def test_into_a_virtual_environment(clone: Terminal) -> None:
    lines = block_with("pip install .")
    assert [line.split()[0] for line in lines] == ["python3", ".", "pip"]
    for line in lines:
        clone.enter(line)
    for program in ("queue_mover3", "pgqadm.py"):
        found = clone.enter(f"command -v {program}").stdout
        assert found.strip() == f"{clone.folder}/queue_mover/bin/{program}"
        assert works(clone, program)


@pytest.mark.timeout(600)
def test_with_pipx(clone: Terminal) -> None:
    # given pipx
    clone.enter("python3 -m venv ~/tools && ~/tools/bin/pip install pipx")
    clone.enter("PATH=$PATH:~/tools/bin")
    # when
    for line in block_with("pipx "):
        clone.enter(line)
    # then
    assert works(clone, "~/.local/bin/queue_mover3")
    assert works(clone, "~/.local/bin/pgqadm.py")


@pytest.mark.timeout(600)
def test_the_demo(tmp_path: Path) -> None:
    demo, suite = block_with("make demo")
    assert suite.split()[:2] == ["make", "test"]
    picture = tmp_path / "demo.svg"
    done = subprocess.run(
        ["bash", "-c", demo],
        cwd=ROOT,
        env={**os.environ, "RECORD": str(picture)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing 0, duplicated 0, order kept" in done.stdout
    published = (ROOT / "docs" / "demo.svg").read_text()
    assert headings(picture.read_text()) == headings(published)
