"""The page as a pure function, with one source and with many; its picture in a real browser."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from queue_mover.config.settings import MoverSettings
from queue_mover.observation.history import PERIODS
from queue_mover.observation.progress import ErrorKind, ErrorSeen, ProcessSnapshot, State
from queue_mover.reporting.web.charts import steps
from queue_mover.reporting.web.page import page
from tests.config.files import load, only
from tests.web import made_up

VOID = {"meta", "br", "path"}
CHROMIUM = shutil.which("chromium")


@pytest.fixture
def settings(tmp_path: Path) -> MoverSettings:
    return only(load(tmp_path))


class Checker(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("count", [1, 50, 1000])
def test_every_source_has_its_line(settings: MoverSettings, count: int) -> None:
    text = page(made_up.process(count), made_up.seen(settings, count))
    assert Checker(text).open == []
    for name in made_up.names(count):
        assert f"<strong>{name}</strong>" in text
    # A phone has to load it.
    assert len(text) < 20_000 + count * 2_000


def test_those_in_trouble_come_first_and_can_be_had_alone(settings: MoverSettings) -> None:
    process, seen = made_up.process(50), made_up.seen(settings, 50)
    troubled = [name for number, name in enumerate(made_up.names(50)) if number % 13 == 5]
    names = re.findall(r"<strong>(shard\d+)</strong>", page(process, seen))
    assert names[: len(troubled)] == troubled
    assert len(names) == 50
    alone = page(process, seen, only_trouble=True)
    assert re.findall(r"<strong>(shard\d+)</strong>", alone) == troubled
    assert '<a href="/">All 50 sources</a>' in alone


def test_the_first_line_says_where_it_is_slow(settings: MoverSettings) -> None:
    calm = made_up.process(1)
    assert "Where is it slow?</strong> Nowhere" in page(calm, made_up.seen(settings, 1))
    slow = page(made_up.process(50), made_up.seen(settings, 50))
    assert "Where is it slow?</strong> The mover (shard005, shard018, shard031 and 1 more)" in slow
    assert "not been polled" in page(calm, None)


def test_errors_stand_there_with_their_remedies(settings: MoverSettings) -> None:
    text = page(made_up.process(50), made_up.seen(settings, 50))
    assert f"<dd>{made_up.AWAY} (last 12s ago, 14 times)</dd>" in text
    assert '<dd class="remedy">check the server and dst_db</dd>' in text


def test_errors_that_are_over_are_kept_apart(settings: MoverSettings) -> None:
    """Given a source that has failed and works again."""
    process = made_up.process(1)
    error = ErrorSeen(ErrorKind.SOURCE, "it was away", "wait", 0.0)
    process = replace(process, movers=(replace(process.movers[0], last_errors=(error,)),))
    text = page(process, made_up.seen(settings, 1))
    assert "Past errors (1)" in text
    assert "it was away" in text
    assert "What needs attention" not in text


def test_nothing_that_a_database_says_becomes_markup(settings: MoverSettings) -> None:
    evil = '"><script>alert(1)</script>'
    error = ErrorSeen(ErrorKind.OTHER, evil, evil, 0.0)
    mover = replace(
        made_up.process(1).movers[0], source=evil, state=State.STOPPED, last_errors=(error,)
    )
    text = page(ProcessSnapshot(evil, 0.0, planned=True, movers=(mover,)), None)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 4


def test_a_chart_shows_the_highest_step_and_leaves_gaps() -> None:
    nan = float("nan")
    values = [nan] * (PERIODS - 3) + [0.0, 5.0, 10.0]
    chart = steps(values, "lag", "peak 10s")
    assert f'd="M0 24h{2 * (PERIODS - 2)}v-12h2v-12h2v24z"' in chart
    assert 'aria-label="peak 10s"' in chart
    small = steps(values, "lag", "peak 10s", at_least=100.0)
    assert "v-1h2v-1h2v2z" in small


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: chromium)")
@pytest.mark.parametrize("count", [1, 50, 1000])
def test_a_browser_shows_it_as_wide_as_a_phone(
    settings: MoverSettings, count: int, tmp_path: Path
) -> None:
    """Given the page in a window, then no element is cut off, and without JavaScript."""
    file = tmp_path / "page.html"
    file.write_text(page(made_up.process(count), made_up.seen(settings, count)))
    picture = tmp_path / "page.png"
    browse(file, tmp_path, f"--screenshot={picture}", "--window-size=500,1200")
    assert picture.stat().st_size > 10_000


def browse(file: Path, folder: Path, *switches: str) -> str:
    """Let Chromium load a file; what it prints."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync",
        "--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}", *switches, file.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=90).stdout
