"""Whoever reads the table at night finds each column, mark and cause explained."""

from pathlib import Path

import pytest

from queue_mover.cli.report_switches import LEGEND
from queue_mover.observation.activity import State
from queue_mover.observation.findings import MARKS, Code
from queue_mover.observation.verdict import Cause
from queue_mover.reporting.source_report import HEADER

DOCS = Path(__file__).parents[2] / "docs"
KNOWN_BY_NAME = ("Source", "Queue", "Consumer", "")
OF_A_DATABASE = (Code.INSERTS_DISABLED, Code.ROTATION)
"""What only the status of a database shows."""


@pytest.mark.parametrize("text", [LEGEND, (DOCS / "lag.md").read_text()], ids=["help", "page"])
def test_each_column_and_cause_is_explained(text: str) -> None:
    columns = [word for word in HEADER if word not in KNOWN_BY_NAME]
    causes = [cause.value for cause in Cause if cause not in (Cause.NOTHING, Cause.UNKNOWN)]
    assert [word for word in [*columns, *causes] if word not in text] == []


@pytest.mark.parametrize("word", ["here", "standby", "at", "retrying", "stopped", "?"])
def test_each_state_is_explained(word: str) -> None:
    assert f'"{word}"' in LEGEND
    assert f"`{word}`" in (DOCS / "lag.md").read_text()
    assert len(State) == 6


def test_each_mark_is_explained() -> None:
    marks = {mark for code, mark in MARKS.items() if code not in OF_A_DATABASE}
    assert [mark for mark in marks if f"{mark} " not in LEGEND] == []
