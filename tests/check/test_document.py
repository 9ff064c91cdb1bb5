"""The JSON of --check is as docs/check-json.md describes it."""

import json
from pathlib import Path
from typing import Any

from queue_mover.observation import topics
from queue_mover.observation.findings import Code
from queue_mover.observation.inspection import Result
from queue_mover.observation.repair import RepairKind
from testbed.database import Database
from tests.check.conftest import check, document, ini
from tests.observation.test_document import check as check_shape
from tests.observation.test_document import tables as status_tables

PAGE = Path(__file__).parents[2] / "docs" / "check-json.md"


def rows() -> dict[str, list[list[str]]]:
    """The page's tables by their heading, each row as its cells."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if line.startswith("| `"):
            found.setdefault(heading, []).append([cell.strip() for cell in line.split("|")[1:-1]])
    return found


def shape(heading: str) -> dict[str, str]:
    """A table of keys: the type of each."""
    return {key.strip("`"): kind for key, kind, _ in rows()[heading] if kind.split()[0] in KINDS}


KINDS = ("integer", "string", "array", "boolean")


def topic_codes() -> dict[str, list[str]]:
    """The table of topics: the codes of each."""
    keys = set(shape("A check"))
    return {
        topic.strip("`"): [code.strip("` ") for code in codes.split(",")]
        for topic, _, codes in rows()["A check"]
        if topic.strip("`") not in keys
    }


def checked(found: Any) -> None:
    """Compare a document with the page."""
    check_shape(found, shape("The document"))
    for line in found["checks"]:
        check_shape(line, shape("A check"))
        assert line["topic"] in topic_codes()
        assert line["result"] in {result.value for result in Result}
        for finding in line["findings"]:
            check_shape(finding, status_tables()["A finding"])
    for repair in found["repairs"]:
        check_shape(repair, shape("A repair"))
        assert repair["kind"] in {kind.value for kind in RepairKind}


def test_the_page_lists_the_topics_in_order_with_their_codes() -> None:
    every = {topics.CONFIG.key: topics.CONFIG.codes}
    every |= {topic.key: topic.codes for topic in topics.SOURCE_TOPICS}
    every |= {topic.key: topic.codes for topic in topics.HOST_TOPICS}
    expected = {key: [code.value for code in codes] for key, codes in every.items()}
    page = topic_codes()
    assert page.pop(topics.OTHER_KEY) == ["any other", "such as `quarantine"]
    assert list(page.items()) == list(expected.items())


def test_every_code_has_a_topic_or_is_known_to_be_another() -> None:
    """Given a new code, then somebody has to decide where it is shown."""
    named = {code for topic in topics.SOURCE_TOPICS for code in topic.codes}
    named |= {code for topic in topics.HOST_TOPICS for code in topic.codes}
    assert set(Code) - named - set(topics.CONFIG.codes) == {Code.QUARANTINE}


def test_documents_have_the_shape(
    config: Path, tmp_path: Path, source_db: Database, target_db: Database
) -> None:
    checked(document(config))
    new = ini(tmp_path, source_db.conninfo(), target_db.conninfo(), consumer_name="new")
    checked(document(new))
    checked(document("--fix", new))
    checked(document(ini(tmp_path, "host=127.0.0.1 port=1", target_db.conninfo())))
    checked(document(ini(tmp_path, "nonsense", target_db.conninfo())))


def test_there_is_one_document_also_where_there_is_no_file(tmp_path: Path) -> None:
    result = check("--json", tmp_path / "none.ini")
    assert result.returncode == 2
    checked(json.loads(result.stdout))
