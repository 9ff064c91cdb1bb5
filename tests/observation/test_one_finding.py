"""A new finding is added in one place, and shows wherever anybody looks."""

from pathlib import Path

import psycopg
import pytest

from queue_mover.errors import NotReadyError
from queue_mover.model import Route
from queue_mover.observation import side_findings
from queue_mover.observation.findings import Code, Finding, Place
from queue_mover.observation.overview import read
from queue_mover.observation.side_states import SourceState
from queue_mover.reporting import document, source_report
from testbed.database import Database
from testbed.queues import create_queue
from tests.moving.pair import Pair
from tests.observation.conftest import Make

TEXT = "the source's role is not called alice"


def not_alice(state: SourceState, route: Route) -> Finding | None:
    """A rule that nobody needs."""
    if state.server.role == "alice":
        return None
    return Finding(Code.PRIVILEGE_MISSING, Place(), TEXT, "CREATE ROLE alice")


@pytest.fixture(autouse=True)
def another_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """One check more of the source."""
    monkeypatch.setattr(side_findings, "SOURCE", (*side_findings.SOURCE, not_alice))


def test_a_mover_refuses_to_start(source_db: Database, target_db: Database, tmp_path: Path) -> None:
    pair = Pair(source_db, target_db, tmp_path)
    with pytest.raises(NotReadyError, match=TEXT):
        pair.mover().prepare()
    assert pair.subscription() is None
    pair.close()


def test_status_shows_it(make: Make, source: psycopg.Connection, source_db: Database) -> None:
    create_queue(source, "q")
    source.execute("select pgq.register_consumer('q', 'job.a')")
    overview = read([], make(a=source_db.conninfo()), None, 300.0)
    assert TEXT in "\n".join(source_report.lines(overview.sources))
    assert TEXT in document.text(overview)
    assert overview.exit_code == 1
