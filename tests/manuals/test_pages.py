"""The manual pages: what they contain, and that manual viewers accept them."""

import re
import shutil
from pathlib import Path

import pytest

from manuals import pages, tables
from manuals.commands import COMMANDS
from queue_mover.admin.queue_config import VARIABLES
from queue_mover.cli import pgqadm
from queue_mover.config import parameters
from testbed.processes import run
from tests.docs.pages import ROOT

PAGES = pages.texts()
COMMAND_SECTIONS = (
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    r"QUICK\-START",
    "CONFIG",
    "COMMAND LINE SWITCHES",
    "SIGNALS",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
    "EXAMPLES",
    "BUGS",
    "SEE ALSO",
)
"""In this order; a page may have others between them."""


def source(name: str) -> str:
    return (ROOT / "man" / f"{name}.md").read_text()


def test_each_command_has_a_page_and_the_files_have_one() -> None:
    names = {path.name for path in PAGES}
    assert names == {*(f"{command}.1" for command in COMMANDS), "queue_mover.ini.5"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_nothing_to_complain_about(path: Path) -> None:
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed; remedy: apt-get install mandoc")
    result = run([mandoc, "-T", "lint", path])
    assert result.stdout + result.stderr == ""
    assert result.returncode == 0


def test_mandoc_would_complain(tmp_path: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed; remedy: apt-get install mandoc")
    page = tmp_path / "bad.1"
    page.write_text(PAGES[ROOT / "man" / "pgqadm.1"].replace(".EE\n", "", 1))
    assert run(["mandoc", "-T", "lint", page]).stdout != ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_all_sections(command: str) -> None:
    sections = re.findall(r"^\.SH (.*)$", PAGES[ROOT / "man" / f"{command}.1"], re.MULTILINE)
    assert [name for name in sections if name in COMMAND_SECTIONS] == list(COMMAND_SECTIONS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_switch_is_there_with_its_value(command: str) -> None:
    page = PAGES[ROOT / "man" / f"{command}.1"].replace(r"\-", "-")
    for action in COMMANDS[command].switches()._actions:
        for name in action.option_strings:
            assert rf"\fB{name}\fR" in page
        if action.option_strings and action.metavar:
            assert rf"\fI{action.metavar}\fR" in page


def test_every_command_of_pgqadm_is_explained_with_its_arguments() -> None:
    section = source("pgqadm.1").partition("\n# COMMANDS\n")[2].partition("\n# ")[0]
    terms = [line for line in section.splitlines() if line.startswith("**")]
    shown = {term.replace("*", "") for line in terms for term in line.split(", ")}
    assert shown == {f"{name} {words}".strip() for name, words in pgqadm.USAGE.items()}


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("pgqadm.1", list(VARIABLES)),
        ("queue_mover.ini.5", list(parameters.AUTOMATIC)),
        ("queue_mover.ini.5", list(parameters.RETIRED)),
        ("queue_mover.ini.5", ["[queue_mover]", "[source:NAME]", "[sources]", "%%", "${key}"]),
    ],
)
def test_names_that_are_in_no_table_are_there(page: str, words: list[str]) -> None:
    assert [word for word in words if word not in source(page)] == []


def test_every_key_is_there_by_each_of_its_names() -> None:
    text = PAGES[ROOT / "man" / "queue_mover.ini.5"] + PAGES[ROOT / "man" / "pgqadm.1"]
    every = [*parameters.MOVER, *parameters.CATALOGUE, *parameters.ADMIN]
    names = {
        name
        for group in every
        for parameter in group.parameters
        for name in (parameter.name, parameter.older)
        if name
    }
    assert {name for name in names if rf"\fB{name}\fR" not in text} == set()


@pytest.mark.parametrize(
    "placeholder", ["{{switches no_such}}", "{{parameters no_such}}", "{{no_such}}"]
)
def test_a_placeholder_that_means_nothing_is_refused(placeholder: str) -> None:
    with pytest.raises(tables.UnknownError, match="known are"):
        tables.filled(f"# CONFIG\n\n{placeholder}\n")
