"""The figures in README.md are those of the bench; what is missing is named."""

import json
import re
import shutil
from pathlib import Path

import pytest

from manuals import figures
from tests.docs.pages import README


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy of the bench's results."""
    return Path(shutil.copytree(figures.RESULTS, tmp_path / "results"))


def changed(folder: Path, row: str, old: str, new: str) -> None:
    path = folder / f"{row}.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_result_changes_the_text(results: Path) -> None:
    # given
    before = figures.block(results)
    assert before in README.read_text()
    (latency,) = json.loads((results / "woken_latency.json").read_text())["lines"][:1]
    # when
    changed(results, "woken_latency", f'"{latency[2]}"', '"1234"')
    # then
    after = figures.block(results)
    assert "p99 1234 ms" in after
    assert "p99 1234 ms" not in before
    with pytest.raises(AssertionError):
        assert after in README.read_text()


def test_no_figure_is_typed() -> None:
    """A number in a phrase, other than a name of the bench's, would stay when results change."""
    source = Path(figures.__file__).read_text().partition("    return [\n")[2]
    plain = re.sub(r"\{[^{}]*\}|\"p\d\d, ms\"|p50|p99", "", source)
    assert re.findall(r"\d+", plain) == []


def test_two_machines_are_both_named(results: Path) -> None:
    changed(results, "woken_idle", "2 cores", "64 cores")
    assert re.search(r"machine: 2 cores.* and 64 cores", figures.block(results))


GONE = {
    "a line": ("woken_latency", '"woken"', '"other"', 'no line "woken" with a column "p50, ms"'),
    "a column": ("woken_idle", '"memory, MiB"', '"RSS"', 'no line "woken" with a column "memory'),
    "a goal": ("big_batch", "vs psql | psql", "vs cat", 'nothing measured for "one batch of 5,'),
}


@pytest.mark.parametrize("case", GONE)
def test_a_figure_that_is_gone_is_named_with_the_remedy(case: str, results: Path) -> None:
    row, old, new, message = GONE[case]
    changed(results, row, old, new)
    with pytest.raises(figures.MissingFigureError) as error:
        figures.block(results)
    assert str(error.value).startswith(f"bench/results/{row}.json: {message}")
    assert f"remedy: .venv/bin/python -m bench --only {row}" in str(error.value)


def test_a_row_without_results_is_named(results: Path) -> None:
    (results / "one_batch.json").unlink()
    with pytest.raises(figures.MissingFigureError, match=r"one_batch\.json: it has no results"):
        figures.block(results)


@pytest.mark.parametrize("page", ["# none\n", f"{figures.BEGIN}\n", f"{figures.END}\n"])
def test_a_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(figures.MissingFigureError, match=r"README\.md lacks"):
        figures.filled(page, "x")


def test_the_rest_of_the_page_stays() -> None:
    page = f"before\n{figures.BEGIN}\n\nold\n{figures.END}\nafter\n"
    new = figures.filled(page, "new")
    assert new == page.replace("old", "new")
    assert figures.filled(new, "new") == new
