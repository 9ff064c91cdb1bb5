"""docs/messages.md has every message that asks something of the operator, and no other."""

import tomllib
from pathlib import Path

import pytest

from manuals import messages, program_texts, schemas

REASONS = tomllib.loads(messages.REASONS.read_text())

PROGRAM = '''
"""A module; remedy: a docstring is no message."""
HINT = "pgqadm.py CONFIG install"

def refuse(queue, log, place):
    """Refuse; remedy: none."""
    remedy = "" if queue else "; remedy: create it"
    log.warning("queue %s is late by %d s; remedy: start %s", queue.name, log.age, HINT)
    found = Finding(Code.TICKER, place, f'no ticker for "{queue.name}"', HINT)
    verdict = Verdict(Cause.READER, f"{counted(log.waiting, 'event')} wait", "start it")
    raise OperatorError(f"no queue {queue}{remedy}") from OperatorError(f"{place}; remedy: {HINT}")

def carry(finding):
    return f"{finding.text}; remedy: {finding.remedy}"
'''


@pytest.fixture(scope="module")
def found() -> list[program_texts.Message]:
    """All messages of the program."""
    return program_texts.messages()


def lines(text: str, folder: Path) -> set[str]:
    (folder / "module.py").write_text(text)
    return {message.line for message in program_texts.messages(folder)}


def test_messages_are_read_from_the_source_with_placeholders(tmp_path: Path) -> None:
    assert lines(PROGRAM, tmp_path) == {
        "queue QUEUE is late by AGE s; remedy: start pgqadm.py CONFIG install",
        'no ticker for "QUEUE"; remedy: pgqadm.py CONFIG install',
        "N events wait; remedy: start it",
        "no queue QUEUE; remedy: create it",
        "PLACE; remedy: pgqadm.py CONFIG install",
    }


def test_the_program_and_the_page_have_the_same_messages(
    found: list[program_texts.Message],
) -> None:
    """Raises IncompleteError, which says what to add or to remove."""
    assert len(messages.entries(REASONS, found)) == len(found) > 100
    page = messages.PAGE.read_text()
    assert [m.line for m in found if m.text.split("`")[0].replace("|", r"\|") not in page] == []


def test_a_message_without_a_reason_and_a_reason_without_a_message_are_refused(
    found: list[program_texts.Message],
) -> None:
    new = program_texts.Message("the sky has fallen", "look up", "moving/mover.py:1")
    with pytest.raises(messages.IncompleteError, match=r"not in messages.toml: .*the sky"):
        messages.entries(REASONS, [*found, new])
    topic = dict(REASONS["HTTP"]) | {"the moon has": "It fell."}
    with pytest.raises(messages.IncompleteError, match="no such message: the moon has"):
        messages.entries({**REASONS, "HTTP": topic}, found)


def test_the_longest_key_counts() -> None:
    one = [program_texts.Message("no queue here", "create it", "x:1")]
    reasons = {"Short": {"no queue": "first"}, "Long": {"no queue here": "second"}}
    with pytest.raises(messages.IncompleteError, match=r"no such message: no queue$"):
        messages.entries(reasons, one)
    (entry,) = messages.entries({"Long": reasons["Long"]}, one)
    assert (entry.topic, entry.reason) == ("Long", "second")


def test_every_table_and_function_of_both_schemas_is_in_the_reference() -> None:
    (page,) = schemas.texts().values()
    for path in schemas.FILES:
        for kind, name, _ in schemas.comments(path.read_text()):
            words = name.partition("(")[0].rpartition(".")[2]
            assert words in page, (kind, name)
    assert "| `mark` | text | Time and event number of the tick;" in page
    assert "The position of a consumer; NULL when it has none." in page
    assert "''" not in page
