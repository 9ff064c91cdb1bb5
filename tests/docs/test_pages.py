"""Links lead somewhere, examples load, generated texts are up to date."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_mover.config.inifile import read
from queue_mover.config.loading import load_admin, load_mover
from testbed.cluster import SUPERUSER, Cluster
from testbed.processes import run
from tests.docs.pages import (
    PAGES,
    README,
    ROOT,
    anchors,
    blocks,
    links,
)

MOVER_SECTIONS = ("queue_mover3", "queue_mover", "queue_splitter3")


def test_generated_texts_are_up_to_date() -> None:
    result = run([sys.executable, ROOT / "scripts" / "generate", "--check"], cwd=ROOT)
    assert result.stdout == ""
    result.check()


def test_there_are_pages() -> None:
    assert len(PAGES) > 5
    assert links(README.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in links(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_in_the_text_are_there(page: Path) -> None:
    """`tests/moving/test_crash.py` and the like."""
    named = re.findall(
        r"`((?:tests|docs|scripts|src|bench|torture|demo)/[\w./]+)`", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_are_named_in_the_text_are_there(page: Path) -> None:
    """`test_that_shows_it`, wherever it stands."""
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"\b(test_\w+)\b(?!\.py)", page.read_text()))
    there = set(re.findall(r"\b(test_\w+)\b", sources))
    assert named - there == set()


# Examples of config files

OTHER_PROGRAMS = ("[pgqd]", "[databases]")
"""How the config files of pgqd and PgBouncer begin."""


def examples(page: Path) -> list[str]:
    """The page's config files; what begins with another section belongs to the one before."""
    files: list[str] = []
    for block in blocks(page.read_text()):
        if not block.is_ini or block.first in OTHER_PROGRAMS:
            continue
        if block.first in (*(f"[{name}]" for name in MOVER_SECTIONS), "[pgqadm]"):
            files += re.split(r"\n(?=\[pgqadm\])", block.text)
        else:
            files[-1] += f"\n{block.text}"
    return files


EXAMPLES = [(page, text) for page in PAGES for text in examples(page)]


@pytest.fixture
def anywhere(source_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every host is this machine's server, and the catalogue of the examples is there."""
    source_cluster.start()
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(source_cluster.port))
    monkeypatch.setenv("PGUSER", SUPERUSER)
    source_cluster.drop_database("ops")
    with source_cluster.create_database("ops").connect() as conn:
        conn.execute("create table partitions (name text, connect_string text, active bool)")
        conn.execute("insert into partitions values ('listed', 'dbname=listed', true)")
        conn.execute("insert into partitions values ('off', 'dbname=off', false)")
    yield
    source_cluster.drop_database("ops")


def test_there_are_examples() -> None:
    assert {page.name for page, _ in EXAMPLES} >= {"README.md", "consolidation.md"}


@pytest.mark.parametrize(
    ("page", "text"), EXAMPLES, ids=[f"{page.stem}{n}" for n, (page, _) in enumerate(EXAMPLES)]
)
@pytest.mark.usefixtures("anywhere")
def test_examples_load(tmp_path: Path, page: Path, text: str) -> None:
    file = tmp_path / "example.ini"
    file.write_text(text)
    if "[pgqadm]" in text:
        assert load_admin(file, {}).warnings == ()
        return
    settings = load_mover(file, {})
    assert settings.warnings == ()
    names = {
        section.removeprefix("source:")
        for section in read(file, MOVER_SECTIONS, {}).sections("source:")
    }
    listed = {"listed"} if "[sources]" in text else set()
    # The database of a list of queues need not exist.
    movers = (*settings.movers, *settings.waiting.values())
    assert {mover.source for mover in movers} == (names | listed or {""})


def test_an_example_that_is_wrong_would_be_noticed(tmp_path: Path) -> None:
    file = tmp_path / "example.ini"
    file.write_text("[pgqadm]\ndb = dbname=app\nmaint_dealy = 5\n")
    assert load_admin(file, {}).warnings != ()
