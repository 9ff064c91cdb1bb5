"""Looks at the databases: one for all who ask, in a process that can be ended."""

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from queue_mover.config.loading import load_mover
from queue_mover.reporting.web.look import Look, Question
from queue_mover.reporting.web.looker import Looker
from testbed.processes import wait_until
from testbed.procfs import child_processes
from tests.command.world import World
from tests.config.files import load
from tests.web.site import PATIENCE


@pytest.fixture
def question(world: World) -> Question:
    """About the mover of the world, which does not run."""
    world.register()
    return Question(load_mover(world.write(), {}).movers)


@pytest.fixture
def silent() -> Iterator[str]:
    """A connect string of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"host=127.0.0.1 port={server.getsockname()[1]} dbname=x"


def test_many_who_ask_cost_one_look(question: Question) -> None:
    looker = Looker(question)
    looker.start()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: looker.see(PATIENCE), range(40)))
    looker.stop()
    assert answers[0] is not None
    assert all(answer is answers[0] for answer in answers)
    assert answers[0].overview.sources[0].findings == ()
    assert answers[0].lags[question.movers[0].process.job_name][-1] >= 0


def test_nobody_waits_for_a_look_longer_than_he_says(tmp_path: Path, silent: str) -> None:
    """Given a server that never answers, then there is no look yet, and the looker can end."""
    settings = load(tmp_path, overrides={"src_db": silent, "dst_db": silent})
    looker = Looker(Question(settings.movers))
    looker.start()
    wait_until(lambda: child_processes(os.getpid()), PATIENCE, "the look")
    assert looker.see(0.1) is None
    # when
    looker.stop()
    # then
    wait_until(
        lambda: "http status" not in {thread.name for thread in threading.enumerate()},
        PATIENCE,
        "the end of the looker",
    )


def test_nothing_to_look_at_starts_no_look() -> None:
    looker = Looker(Question())
    looker.start()
    assert looker.see(0.1) is None
    looker.stop()


def test_a_source_that_cannot_be_used_is_among_the_findings(question: Question) -> None:
    seen = Look().take(Question(question.movers, {"bad": "f.ini: list_sql: no connect string"}))
    assert [(finding.place.source, finding.text) for finding in seen.others] == [
        ("bad", "f.ini: list_sql: no connect string")
    ]
    assert seen.exit_code == 2


def test_a_look_that_fails_says_why(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    seen = Look().take(question)
    assert seen.sources == ()
    assert seen.exit_code == 2
    assert "cannot poll the databases" in seen.others[0].text
