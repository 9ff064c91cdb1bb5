"""Each command and config file of each page, run in order as it is written there.

A new page that shows commands is run without being listed, on an empty server. `STEPS` says what a
page takes for granted and what its reader waits for. What is not run here stands, with the reason,
in `NOT_RUN` (commands), `OUTPUT` (blocks that are no commands) or `RUN_BY` (pages that another test
runs); a fence of a language other than sh, bash and ini is no command either.
"""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from queue_mover.cli import pgqadm as admin_cli
from queue_mover.cli import queue_mover3, queue_splitter3
from testbed.cluster import Cluster
from testbed.programs import require_extension
from tests.docs import guide_steps, manual_steps, steps
from tests.docs.pages import PAGES, ROOT, Block, blocks, inline_code
from tests.docs.terminal import Terminal, commands

NOT_RUN = {
    ("README.md", "make demo"): "tests/docs/test_install.py runs it",
    ("README.md", "make test"): "it is what runs this",
    ("README.md", "python3 -m venv"): "tests/docs/test_install.py runs it in a clean place",
    ("README.md", ". ~/queue_mover"): "tests/docs/test_install.py runs it in a clean place",
    ("README.md", "pip install ."): "tests/docs/test_install.py runs it in a clean place",
    ("README.md", "pipx install ."): "tests/docs/test_install.py runs it in a clean place",
    ("CONTRIBUTING.md", "make demo"): "tests/docs/test_install.py runs it, with another file",
    ("CONTRIBUTING.md", "make test"): "it is what runs this",
    ("CONTRIBUTING.md", "PGQ_SQL="): "a minute; tests/docs/test_install.py runs it on Debian",
    ("CONTRIBUTING.md", "PGBIN="): "it is what runs this, with another server",
    ("CONTRIBUTING.md", "make test-pooled"): "it runs other tests again, for an hour",
    ("CONTRIBUTING.md", "make check"): "it is run before each commit",
    ("CONTRIBUTING.md", "make docs"): "it writes; tests/docs/test_pages.py looks at what it writes",
    ("CONTRIBUTING.md", "make bench-quick"): "a measurement of minutes",
    ("CONTRIBUTING.md", "make coverage"): "the whole test suite, measured",
    ("CONTRIBUTING.md", "make site"): "tests/manuals/test_site.py builds it",
    ("CONTRIBUTING.md", "make release"): "tests/docs/test_release.py runs it on a copy",
    ("CONTRIBUTING.md", "make torture"): "tests/torture runs it",
    ("CONTRIBUTING.md", "make model"): "minutes; tests/torture runs it with fewer schedules",
    ("scaling.md", "make bench"): "a measurement; tests/docs/test_project.py looks at its name",
}
"""By page and how the command begins."""

OUTPUT = {
    ("two-movers.md", "standing by: "): "a log line",
    ("consolidation.md", "{count: "): "log lines",
    ("CONTRIBUTING.md", "target database: "): "a message",
    ("operations.md", "queue_mover3 4.0.0 started: "): "log lines",
    ("status-json.md", "{"): "a finding",
}
"""Blocks that nobody enters, by page and how they begin."""

RUN_BY = {
    "migrating-a-database.md": "tests/docs/test_migrating_a_database.py",
    "moving-a-shard.md": "tests/docs/test_moving_a_shard.py",
    "renaming.md": "tests/docs/test_renaming.py",
    "shaping.md": "tests/docs/test_shaping.py",
}
"""Pages that a test of their own runs: its path, by the page's name."""

PRINTED = "messages.md"
"""The page whose code is what the program prints."""


@dataclass(frozen=True)
class Steps:
    """What a test does around the lines of a page."""

    given: Callable[[Terminal], None] = lambda _: None
    """What the page takes for granted."""
    before: dict[str, Callable[[Terminal], None]] = field(default_factory=dict)
    """What happens before a command that begins like this: mostly what the reader waits for."""
    then: Callable[[Terminal], None] = lambda _: None
    """What holds at the end."""


STEPS = {
    "README.md": Steps(
        given=steps.two_empty_databases,
        before={
            "tail mover.log": steps.wait_for_the_event,
            "queue_mover3 -d mover.ini  ": steps.start_the_tickers,
        },
        then=steps.quick_start_has_worked,
    ),
    "CONTRIBUTING.md": Steps(given=steps.in_the_clone),
    "event-ids.md": Steps(
        given=steps.two_queues_with_tickers,
        before={
            "psql -d app": steps.the_mover_is_registered,
            'psql -d central -c "select': steps.wait_for_the_event,
        },
        then=steps.the_ids_are_the_same,
    ),
    "consolidation.md": Steps(
        given=steps.ten_shards,
        before={"queue_mover3 movers.ini --source": steps.move_an_event_of_each_shard},
        then=steps.every_shard_is_in_the_table,
    ),
    "scaling.md": Steps(given=steps.ten_shards_ready_to_move, then=steps.each_half_runs),
    "splitting.md": Steps(
        given=steps.an_app_and_a_batch_database,
        before={"psql -d batch": steps.wait_for_both_queues},
        then=steps.each_event_is_in_its_queue,
    ),
    "pgque.md": Steps(
        given=steps.pgque_and_pgq,
        before={"queue_mover3 -d mover.ini": steps.an_order_waits},
        then=steps.the_order_has_moved,
    ),
    "pgque-pgqadm.md": Steps(given=steps.pgque_at_hand, then=steps.pgque_has_been_shown),
    "queues.md": Steps(
        given=steps.several_queues,
        before={"queue_mover3 --status": steps.wait_for_all_queues},
        then=steps.each_queue_is_in_the_status,
    ),
    "lag.md": Steps(given=steps.a_mover_that_was_started, then=steps.nothing_is_slow),
    "operations.md": Steps(
        given=steps.two_databases_for_mover,
        before={
            "queue_mover3 --check new.ini ||": steps.a_queue_for_new_events,
            "tail mover.log": steps.move_an_event,
        },
        then=steps.the_check_has_helped,
    ),
    "queue_splitter3.1.md": Steps(
        given=manual_steps.a_splitter_that_is_ready, then=manual_steps.the_order_is_in_its_queue
    ),
    "tutorial.md": Steps(then=guide_steps.the_tutorial_was_true),
    "two-movers.md": Steps(given=steps.two_databases_for_mover, then=guide_steps.one_stood_by),
    "upgrading.md": Steps(
        given=steps.a_mover_that_was_started, then=guide_steps.the_mover_runs_again
    ),
    "removing.md": Steps(
        given=steps.a_mover_that_was_started,
        before={'psql -d app -c "drop extension': lambda terminal: require_extension()},
        then=guide_steps.the_databases_are_as_before,
    ),
    "queue_mover3.1.md": Steps(
        given=manual_steps.two_databases,
        before={
            "queue_mover3 --status mover.ini": manual_steps.wait_for_the_event,
            "queue_mover3 -q --set loop_delay=0": manual_steps.an_event_waits,
            "queue_mover3 -s --wait": manual_steps.the_mover_runs,
            "queue_mover3 --unregister": manual_steps.both_events_have_arrived,
        },
        then=manual_steps.the_mover_has_gone,
    ),
    "pgqadm.1.md": Steps(
        given=manual_steps.the_databases_of_pgqadm, then=manual_steps.nothing_is_left
    ),
}


def listed(table: dict[tuple[str, str], str], page: Path, text: str) -> bool:
    """Whether a table has the block or the command, by its beginning."""
    return any(page.name == name and text.startswith(start) for name, start in table)


def to_run(page: Path) -> list[Block]:
    """The blocks that are commands or config files."""
    found = [block for block in blocks(page.read_text()) if block.is_ini or block.is_shell]
    return [block for block in found if not listed(OUTPUT, page, block.text)]


def lines(page: Path, block: Block) -> list[str]:
    """The commands of a block that are to be run."""
    return [line for line in commands(block.text) if not listed(NOT_RUN, page, line)]


def save(terminal: Terminal, block: Block, last: str) -> str:
    """Write the files that the paragraph before the block names, or go on with the last one."""
    names: list[str] = list(dict.fromkeys(re.findall(r"`([\w.]+\.ini)`", block.before))) or [last]
    texts = re.split(r"\n(?=\[pgqadm\])", block.text)
    for name, text in zip(names, texts, strict=True):
        terminal.write(name, text)
    return names[-1]


PROCEDURES = [
    page
    for page in PAGES
    if any(block.is_shell for block in to_run(page)) and page.name not in RUN_BY
]


@pytest.fixture
def terminal(private_cluster: Callable[..., Cluster]) -> Iterator[Terminal]:
    cluster = private_cluster("page")
    with Terminal(cluster) as made:
        yield made
    cluster.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PROCEDURES, ids=lambda page: page.name)
def test_each_line_works_as_written(page: Path, terminal: Terminal) -> None:
    # given
    around = STEPS.get(page.name, Steps())
    around.given(terminal)
    met: set[str] = set()
    # when a reader goes through the page
    last = ""
    for block in to_run(page):
        if block.is_ini:
            last = save(terminal, block, last)
            continue
        for command in lines(page, block):
            for start in (start for start in around.before if command.startswith(start)):
                met.add(start)
                around.before[start](terminal)
            terminal.enter(command)
    # then
    assert met == set(around.before)
    around.then(terminal)


def test_nothing_is_exempt_that_is_not_there() -> None:
    written = {page.name: page.read_text() for page in PAGES}
    for name, start in NOT_RUN | OUTPUT:
        assert f"    {start}" in written[name], (name, start)
    for name, test in RUN_BY.items():
        assert name in (ROOT / test).read_text()
    assert set(STEPS) <= {page.name for page in PROCEDURES}


def test_a_line_that_fails_is_noticed(terminal: Terminal) -> None:
    with pytest.raises(AssertionError, match="no_such"):
        terminal.enter("psql -d no_such -c 'select 1'")
    with pytest.raises(AssertionError, match="no shell takes"):
        commands("for n in 1 2; do\n    echo $n")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != PRINTED], ids=lambda page: page.name
)
def test_commands_in_the_text_are_understood(page: Path) -> None:
    """`queue_mover3 -s mover.ini` and the like, of which the switches are known."""
    parsers: dict[str, Callable[[], ArgumentParser]] = {
        "queue_mover3": queue_mover3.switches,
        "queue_splitter3": queue_splitter3.switches,
        "pgqadm": admin_cli.switches,
        "pgqadm.py": admin_cli.switches,
    }
    for code in inline_code(page.read_text()):
        program, *words = code.split(maxsplit=1)
        if program in parsers and words and words[0] not in ("-V", "--ini", "--help"):
            try:
                words = shlex.split(words[0].replace("CONNECT", "dbname=app"))
                parsers[program]().parse_intermixed_args(words)
            except SystemExit:
                pytest.fail(f"{page.name}: {code}")
