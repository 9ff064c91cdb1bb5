"""docs/demo.svg is a picture of today's demo, which every forge can show."""

import ast
import re

from demo.picture import COLUMNS
from tests.demo.drawn import headings, lines
from tests.docs.pages import README, ROOT

PICTURE = ROOT / "docs" / "demo.svg"
STORY = ROOT / "demo" / "story.py"
NOT_RECORDED = {"play", "_show_status", "_stop"}
"""Methods whose words come after the end of the recording."""
REMEDY = "remedy: make demo RECORD=docs/demo.svg"


def said(*ways: str) -> list[str]:
    """Every constant text that the story says in these ways of the Screen."""
    (story,) = [
        node
        for node in ast.parse(STORY.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Story"
    ]
    methods = [
        node
        for node in story.body
        if isinstance(node, ast.FunctionDef) and node.name not in NOT_RECORDED
    ]
    calls = [node for method in methods for node in ast.walk(method) if isinstance(node, ast.Call)]
    return [
        argument.value.strip()
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in ways
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value
    ]


def test_its_headings_are_those_of_the_story() -> None:
    assert headings(PICTURE.read_text()) == said("title", "act"), REMEDY


def test_it_says_what_the_story_says() -> None:
    shown = {line.text for line in lines(PICTURE.read_text())}
    story = said("say")
    assert len(story) > 10
    assert [text for text in story if text not in shown] == [], REMEDY


def test_it_ends_with_the_proof() -> None:
    last = lines(PICTURE.read_text())[-1]
    assert (last.text, last.style) == ("missing 0, duplicated 0, order kept", "g")


def test_no_line_is_wider_than_its_window() -> None:
    assert [line for line in lines(PICTURE.read_text()) if line.columns > COLUMNS] == []


def test_it_is_small_and_loads_and_runs_nothing() -> None:
    text = PICTURE.read_text()
    assert PICTURE.stat().st_size < 150_000
    assert re.findall(r"https?://[^\s\"']+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<image|<foreignObject|@import|url\(|href=", text)


def test_it_shows_no_path_but_the_one_of_the_demo() -> None:
    paths = re.findall(
        r"(?<![\w.<])/\w[\w./-]+", "\n".join(x.text for x in lines(PICTURE.read_text()))
    )
    assert [path for path in paths if not path.startswith("/tmp/qm-demo-")] == []


def test_the_readme_shows_it() -> None:
    assert "](docs/demo.svg)" in README.read_text()
