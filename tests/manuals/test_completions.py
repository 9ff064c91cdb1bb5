"""The completions, in the shells themselves."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from manuals.commands import COMMANDS
from testbed.processes import run
from tests.docs.pages import ROOT

FOLDER = ROOT / "completions"
NAMES = [name for command, each in COMMANDS.items() for name in (command, *each.aliases)]

CASES = [
    ("queue_mover3 --st", {"--status", "--stop"}),
    ("queue_mover3 --take", {"--take-over"}),
    ("queue_mover3 ", {"mover.ini", "conf.d"}),
    ("queue_mover3 --check m", {"mover.ini"}),
    ("queue_mover3 --set m", set()),
    ("queue_mover.py --re", {"--register", "--reload", "--reset", "--rewind"}),
    ("pgqadm st", {"status"}),
    ("pgqadm.py mover.ini un", {"unregister"}),
    ("pgqadm.py mover.ini status ticker", set()),
    ("pgqadm --movers m", {"mover.ini"}),
    ("pgqadm --mov", {"--movers"}),
]
"""What is typed, and what is offered."""


def shell(name: str) -> str:
    """The path of a shell; skips the test without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; remedy: apt-get install {name}")
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a config file, another file and a directory."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "mover.ini").touch()
    (folder / "notes.txt").touch()
    (folder / "conf.d").mkdir()
    return folder


@pytest.mark.parametrize(("typed", "offered"), CASES, ids=[typed for typed, _ in CASES])
def test_bash(place: Path, typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    before = words[-2]
    program = (
        f"source '{FOLDER}/bash/{words[0]}' && COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}\n"
        f"function=$(complete -p '{words[0]}' | sed 's/.* -F \\([^ ]*\\) .*/\\1/')\n"
        f"$function '{words[0]}' '{words[-1]}' '{before}'\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    result = run([shell("bash"), "--norc", "-c", program], cwd=place)
    assert result.stderr == ""
    assert set(result.stdout.split()) == offered


@pytest.mark.parametrize(
    ("typed", "offered"), [case for case in CASES if re.search(r" (--?\w|\w\w$)", case[0])]
)
def test_fish(place: Path, typed: str, offered: set[str]) -> None:
    program = f"set -p fish_complete_path '{FOLDER}/fish'; complete -C '{typed}'"
    # fish completes only commands that it finds.
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(place)}
    result = run([shell("fish"), "--no-config", "-c", program], cwd=place, env=env)
    assert result.stderr == ""
    names = {line.partition("\t")[0] for line in result.stdout.splitlines()}
    assert offered <= names


def test_zsh(place: Path) -> None:
    """Typed into a terminal: its completion works in no other way."""
    zsh = shell("zsh")
    keys = "queue_mover3 --take\\t; pgqadm unreg\\t\\n"
    program = (
        "zmodload zsh/zpty; zpty shell " + f"'{zsh} -f -i'\n"
        f"zpty -w shell 'PS1=; fpath=({FOLDER}/zsh $fpath); autoload -U compinit; "
        "compinit -D -u; queue_mover3() { echo first=$1 }; pgqadm() { echo second=$1 }; "
        "echo ready=$_comps[queue_mover.py]'\n"
        "zpty -r shell line '*ready=_queue*' || exit 1\n"
        f"zpty -w -n shell $'{keys}'\n"
        "zpty -r shell line '*second=unregister*' && print -r -- $line\n"
    )
    done = subprocess.run(
        [zsh, "-f", "-c", program], cwd=place, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert "first=--take-over" in done.stdout
    assert "second=unregister" in done.stdout


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_parses_its_files(name: str) -> None:
    files = sorted((FOLDER / name).iterdir())
    assert len(files) == (len(COMMANDS) if name == "zsh" else len(NAMES))
    for file in files:
        assert run([shell(name), "-n", file]).check().stderr == ""
