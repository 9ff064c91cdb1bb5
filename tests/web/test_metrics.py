"""Metrics by Prometheus' conventions, and the files in contrib that speak of them."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from queue_mover.config.settings import MoverSettings
from queue_mover.observation.progress import ErrorKind, State
from queue_mover.reporting.web.metrics import Exposition
from testbed.processes import Processes, free_port, wait_until
from tests.command.world import World
from tests.config.files import load, only
from tests.docs.pages import ROOT
from tests.web import made_up
from tests.web.site import PATIENCE, Site

PROMETHEUS = ROOT / "contrib" / "prometheus"
DASHBOARD = ROOT / "contrib" / "grafana" / "queue_mover.json"
NAME = re.compile(r"queue_mover_[a-z_]+")


@pytest.fixture
def settings(tmp_path: Path) -> MoverSettings:
    return only(load(tmp_path))


def exposed(settings: MoverSettings, count: int = 50) -> str:
    """The metrics of a process whose first source has had errors of every kind."""
    process = made_up.process(count)
    first = replace(process.movers[0], errors=dict.fromkeys(ErrorKind, 1))
    process = replace(process, movers=(first, *process.movers[1:]))
    return Exposition().text(process, made_up.seen(settings, count)).decode()


def families(text: str) -> set[str]:
    """The names of the samples, buckets and sums of a histogram as one."""
    names = set(re.findall(r"^(queue_mover_\w+?)(?:_bucket|_sum|_count)?[{ ]", text, re.MULTILINE))
    return {name for name in names if not name.endswith("_created")}


def tool(name: str) -> str:
    """A program of Prometheus; the test is skipped where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: prometheus)")
    return found


def test_the_number_of_samples_is_bound_by_that_of_the_sources(settings: MoverSettings) -> None:
    def lines(text: str) -> int:
        return len([line for line in text.splitlines() if line.startswith("queue_mover_")])

    each = (lines(exposed(settings, 1000)) - lines(exposed(settings, 500))) / 500
    constant = lines(exposed(settings, 1)) - each - len(ErrorKind)
    assert each < 26
    assert constant < 20


def test_labels_have_few_values(settings: MoverSettings) -> None:
    text = exposed(settings)
    assert set(re.findall(r'source="(.*?)"', text)) == set(made_up.names(50))
    assert set(re.findall(r'kind="(.*?)"', text)) == {kind.value for kind in ErrorKind}
    assert set(re.findall(r'state="(.*?)"', text)) == {state.value for state in State}
    assert set(re.findall(r'side="(.*?)"', text)) == {"source", "target"}
    assert set(re.findall(r'[{,](\w+)="', text)) == {
        "job", "source", "kind", "state", "side", "le", "version",
    }  # fmt: skip


def test_they_follow_the_conventions(settings: MoverSettings) -> None:
    check = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=exposed(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (check.returncode, check.stderr) == (0, "")


def test_the_dashboard_and_the_rules_show_each_metric_and_no_others(
    settings: MoverSettings,
) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    shown = {
        name for panel in panels for target in panel["targets"] for name in names(target["expr"])
    }
    rules = re.findall(r"expr: (.*)", (PROMETHEUS / "queue_mover.rules.yml").read_text())
    alerted = {name for rule in rules for name in names(rule)}
    assert len(rules) > 5
    assert shown | alerted == families(exposed(settings))


def names(expression: str) -> set[str]:
    return {name.removesuffix("_bucket") for name in NAME.findall(expression)}


def test_the_page_of_the_docs_names_each_metric_and_no_others(settings: MoverSettings) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    named = set(re.findall(r"^\| `(queue_mover_\w+)`", page, re.MULTILINE))
    assert named == families(exposed(settings))


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "queue_mover.rules.yml"),
        ("test", "rules", "queue_mover.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_takes_the_rules_and_their_tests(arguments: tuple[str, ...]) -> None:
    check = subprocess.run(
        [tool("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_real_prometheus_scrapes_it(world: World, site: Site, tmp_path: Path) -> None:
    """Given the config file of contrib, with the test's port and pace, when events move, then
    Prometheus knows how many, under the mover's own job."""
    program = tool("prometheus")
    folder = tmp_path / "prometheus"
    shutil.copytree(PROMETHEUS, folder)
    config = folder / "prometheus.yml"
    text = config.read_text().replace("127.0.0.1:9632", site.address)
    config.write_text(text.replace("scrape_interval: 30s", "scrape_interval: 1s"))
    server = Site(free_port())
    process = world.start()
    world.produce(11)
    world.wait_for_events(11)
    with Processes() as processes:
        # when
        processes.start(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address={server.address}",
            ],
            folder,
            name="prometheus",
        )
        # then
        wait_until(
            lambda: query(server, f'queue_mover_events_total{{job="{world.job}"}}') == ["11"],
            PATIENCE,
            "the number of events in Prometheus",
            0.5,
        )
        assert query(server, 'up{job="queue_mover"}') == ["1"]
        loaded = json.loads(server.get("/api/v1/rules").text)["data"]["groups"]
        assert [rule["lastError"] for group in loaded for rule in group["rules"] if
                rule.get("lastError")] == []  # fmt: skip
    assert process.stop() == 0


def query(server: Site, expression: str) -> list[str]:
    """The values that Prometheus has for an expression."""
    try:
        answer = server.get(f"/api/v1/query?query={quoted(expression)}")
    except OSError:
        return []
    if answer.status != 200:
        return []
    return [each["value"][1] for each in json.loads(answer.text)["data"]["result"]]


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())
