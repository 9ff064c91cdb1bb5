"""What the wheel contains, and that it works from where it is installed."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from manuals import completions, pages
from queue_mover import __version__
from testbed.processes import run
from testbed.reaper import private_directory, remove_directory
from tests.docs.pages import ROOT

NEEDED = ("src", "man", "completions", "contrib", "examples")
FILES = ("pyproject.toml", "README.md", "LICENSE")
DATA = f"queue_mover-{__version__}.data/data/"
INFO = f"queue_mover-{__version__}.dist-info/"


@pytest.fixture(scope="module")
def wheel() -> Iterator[Path]:
    """Built from a copy, since a build leaves files beside the sources."""
    if run([sys.executable, "-m", "pip", "index", "versions", "setuptools"]).returncode != 0:
        pytest.skip("no package registry can be reached")
    folder = private_directory()
    for name in NEEDED + FILES:
        source, copy = ROOT / name, folder / "clone" / name
        copy.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy(source, copy)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    run([*build, folder, folder / "clone"]).check()
    yield next(folder.glob("*.whl"))
    remove_directory(folder)


def test_everything_is_in_it(wheel: Path) -> None:
    # given what is in the project
    sources = [path for path in (ROOT / "src" / "queue_mover").rglob("*") if path.is_file()]
    expected = {
        *(
            str(path.relative_to(ROOT / "src"))
            for path in sources
            if "__pycache__" not in str(path)
        ),
        "queue_mover_commands.py",
        *(f"{DATA}share/man/man{path.suffix[1:]}/{path.name}" for path in pages.texts()),
        *(f"{DATA}{_place(path)}/{path.name}" for path in completions.texts()),
        *(
            f"{DATA}share/doc/queue_mover3/{path.relative_to(ROOT)}"
            for path in [*(ROOT / "contrib").rglob("*"), *(ROOT / "examples").glob("*.py")]
            if path.is_file()
        ),
    }
    # when
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"{INFO}METADATA").decode()
        licence = archive.read(f"{INFO}licenses/LICENSE").decode()
    # then
    assert {name for name in names if not name.startswith(INFO)} == expected
    assert licence == (ROOT / "LICENSE").read_text()
    assert "Permission to use, copy, modify" in licence
    assert re.search(r"^License-Expression: ISC$", metadata, re.MULTILINE)


def _place(path: Path) -> str:
    return {
        "bash": "share/bash-completion/completions",
        "zsh": "share/zsh/site-functions",
        "fish": "share/fish/vendor_completions.d",
    }[path.parent.name]


def test_man_finds_the_pages_by_the_path_of_the_command(wheel: Path, tmp_path: Path) -> None:
    """As in an activated virtual environment."""
    man = shutil.which("man")
    if man is None or not Path("/usr/lib/man-db").exists():
        pytest.skip("man-db is not installed; remedy: apt-get install man-db")
    # given the layout that pip makes
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    (tmp_path / DATA / "bin").mkdir()
    # when
    env = {"PATH": f"{tmp_path / DATA}/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    for name in ("queue_mover3", "queue_splitter3", "pgqadm", "queue_mover.ini"):
        found = subprocess.run(
            [man, "-w", name], env=env, capture_output=True, text=True, check=False
        )
        # then
        assert found.stdout.startswith(str(tmp_path)), found.stderr


def test_the_versions_are_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packaged = (ROOT / "debian" / "changelog").read_text()
    assert project["version"] == __version__
    assert packaged.startswith(f"queue-mover3 ({__version__}) ")
    # and so are the dates, once it is released
    version, date = re.findall(r"^## (\S+) \((.*)\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[0]
    assert version == __version__
    if date != "unreleased":
        (signed,) = re.findall(r"^ -- .*>  (.*)$", packaged, re.M)[:1]
        assert parsedate_to_datetime(signed).date().isoformat() == date


def test_the_source_distribution_leaves_nothing_out() -> None:
    """Each folder of the project is in MANIFEST.in, or is where setuptools looks by itself."""
    listed = run(["git", "ls-tree", "--name-only", "HEAD"], cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("not a clone")
    manifest = (ROOT / "MANIFEST.in").read_text()
    own = {"src", "README.md", "LICENSE", "pyproject.toml", "MANIFEST.in"}
    names = {name for name in listed.stdout.split() if not name.startswith(".")} - own
    assert {name for name in names if not re.search(rf"\b{name}\b", manifest)} == set()


def test_each_command_has_a_manual_page_and_completions() -> None:
    """Also by its other names, in the Debian package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    links = (ROOT / "debian" / "queue-mover3.links").read_text()
    for name in project["scripts"]:
        page = (ROOT / "man" / f"{name}.1").exists() or f" usr/share/man/man1/{name}.1\n" in links
        assert page, name
        assert (ROOT / "completions" / "bash" / name).exists(), name
        assert (ROOT / "completions" / "fish" / f"{name}.fish").exists(), name
