"""The site: every page has its place, nothing is loaded from elsewhere, no link is broken."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from manuals import site_check, site_pages
from testbed.processes import run
from tests.docs.pages import ROOT

NAV = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)


def test_every_page_has_one_place_in_the_navigation() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} | set(site_pages.elsewhere())
    assert set(NAV) == pages, "remedy: correct nav in mkdocs.yml"
    assert len(NAV) == len(set(NAV))


def test_the_theme_is_no_dependency_of_the_program() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert len(re.findall("mkdocs-material", text)) == 1
    assert re.search(r"^site = \[.*mkdocs-material", text, re.MULTILINE)


LINKS = {
    "[a](docs/lag.md#the-columns)": "[a](lag.md#the-columns)",
    "[a](CONTRIBUTING.md)": "[a](CONTRIBUTING.md)",
    "[a](LICENSE)": "a",
    "[a](https://example.org/x.md)": "[a](https://example.org/x.md)",
    "[a](#more)": "[a](#more)",
    "![a](bench/results/x.svg)": "![a](pictures/bench-results-x.svg)",
}
"""Links of README.md, and what they are on the site."""


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_to_pages_of_the_site(link: str) -> None:
    assert site_pages.adapted(link, "README.md") == f"{LINKS[link]}\n"


def test_links_of_a_page_in_docs_and_code_stay() -> None:
    text = "[a](../README.md) [b](lag.md) [c](../src/queue_mover)\n\n    [d](../README.md)\n"
    there = "[a](index.md) [b](lag.md) c\n\n    [d](../README.md)\n"
    assert site_pages.adapted(text, "docs/x.md") == there


def test_what_belongs_to_a_list_is_indented_as_the_site_wants_it() -> None:
    text = "1. One\n   more\n\n   | a |\n   |---|\n\n   ```sh\n     x\n   ```\n\n        code\n"
    there = (
        "1. One\n    more\n\n    | a |\n    |---|\n\n    ```sh\n      x\n    ```\n\n        code\n"
    )
    assert site_pages.adapted(text, "docs/x.md") == there


BAD = {
    '<script src="https://cdn.example.org/x.js"></script>': "loads https://cdn.example.org/x.js",
    '<link rel="stylesheet" href="//fonts.example.org/a.css">': "loads //fonts.example.org/a.css",
    '<img src="missing.svg">': "missing.svg, which does not exist",
    "<style>body{background:url(https://example.org/a.png)}</style>": "loads https://example.org",
    '<pre class="mermaid">graph</pre>': "loads https: mermaid",
    '<a href="other.html">x</a>': "broken link other.html",
    '<a href="#nowhere">x</a>': "broken link #nowhere",
    '<a href="/away.html">x</a>': "broken link /away.html",
}


@pytest.mark.parametrize("html", BAD)
def test_a_bad_page_is_found(html: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(html)
    (problem,) = site_check.problems(tmp_path)
    assert BAD[html] in problem


def test_a_good_page_is_good(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("@import 'a.css'; a{background:url(data:image/svg+xml,x)}")
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://example.org/"><link rel="stylesheet" href="style.css">'
        '<p id="here"><a href="#here">x</a> <a href="https://example.org">y</a>'
        '<a href="/index.html#here">z</a>'
    )
    assert list(site_check.problems(tmp_path)) == []


def test_a_style_that_loads_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("@import url(https://fonts.example.org/a.css);")
    assert list(site_check.problems(tmp_path)) == [
        "style.css: loads https://fonts.example.org/a.css"
    ]


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="needs pip install -e '.[site]'"
)
def test_the_site_is_built_without_a_warning_and_is_good(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    run([*build, str(site)], cwd=ROOT, env={"NO_MKDOCS_2_WARNING": "1"}).check()
    assert list(site_check.problems(site)) == []
    assert {path.name for path in site.glob("*.html")} == {
        name.replace(".md", ".html") for name in [*NAV, "404.md"]
    }
