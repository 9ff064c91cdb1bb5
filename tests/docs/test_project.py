"""Files beside the pages say the same as what they stand for."""

import re
import sys
import tomllib

import pytest

from queue_mover.cli import pgqadm as admin_cli
from queue_mover.cli import queue_mover3
from testbed.processes import run
from tests.docs.pages import ROOT


def test_the_commit_hooks_are_what_make_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (imports,) = re.findall(r"^IMPORTS = (.*)", makefile, re.MULTILINE)
    recipe = makefile.partition("\ncheck: ")[2].partition("\n\n")[0]
    makes = [line.strip() for line in recipe.splitlines()[1:]]
    plain = [
        line.replace("$(IMPORTS)", imports)
        .replace("$(BIN)", ".venv/bin")
        .replace("$(PYTHON)", ".venv/bin/python")
        for line in makes
    ]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: (.*)", hooks) == plain
    assert len(plain) == 5


def test_the_licence_is_the_one_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{project['license']} License\n")


@pytest.mark.parametrize("parser", [queue_mover3.switches(), admin_cli.switches()])
def test_every_switch_and_argument_has_its_help(parser: object) -> None:
    """From which --help and the manual page are made."""
    actions = parser._actions  # type: ignore[attr-defined]
    assert [action.dest for action in actions if not action.help] == []
    assert len({action.help for action in actions}) == len(actions)


@pytest.mark.parametrize("target", ["test", "check"])
def test_make_knows_its_targets(target: str) -> None:
    result = run(["make", "-n", target, "SLOWEST=20"], cwd=ROOT).check()
    assert ("--durations=20" in result.stdout) == (target == "test")


@pytest.mark.parametrize("page", ["scaling.md", "performance.md"])
def test_the_bench_knows_what_a_page_has_measured(page: str) -> None:
    named = re.findall(r"--only (\w+)", (ROOT / "docs" / page).read_text())
    rows = run([sys.executable, "-m", "bench", "--help"], cwd=ROOT).check().stdout
    assert named
    assert [name for name in named if not re.search(rf"\b{name}\b", rows)] == []
