"""The README's quick start, run as it is written there."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.cluster import SUPERUSER, Cluster
from testbed.processes import Result, process_alive, run, script, wait_until
from testbed.programs import postgres_bindir
from testbed.reaper import REAPER
from tests.docs.pages import README, indented_blocks

PATIENCE = 60.0


class Terminal:
    """Runs command lines with bash in one folder, against one server."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder = folder
        path = f"{Path(script('queue_mover3')).parent}:{postgres_bindir()}:/usr/bin:/bin"
        self._env = {
            "PATH": path,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(cluster.port),
            "PGUSER": SUPERUSER,
        }
        self._pids: set[int] = set()

    def enter(self, line: str) -> Result:
        """Run a line, which has to succeed."""
        result = run(["bash", "-c", line], cwd=self.folder, env=self._env).check()
        for pidfile in self.folder.glob("*.pid"):
            pid = int(pidfile.read_text())
            self._pids.add(pid)
            REAPER.watch_process(pid)
        return result

    def daemons(self) -> set[int]:
        """The daemons that are still alive."""
        return {pid for pid in self._pids if process_alive(pid)}

    def end(self) -> None:
        """Kill what the lines have started and not stopped."""
        for pid in self._pids:
            if process_alive(pid):
                run(["kill", "-9", str(pid)])
            REAPER.forget_process(pid)


@pytest.fixture
def terminal(tmp_path: Path, private_cluster: Callable[..., Cluster]) -> Iterator[Terminal]:
    """A server with the two databases, and nothing in them."""
    cluster = private_cluster("quick")
    cluster.create_database("app")
    cluster.create_database("central")
    made = Terminal(tmp_path, cluster)
    yield made
    made.end()


def quick_start() -> tuple[list[str], dict[str, str]]:
    """The command lines, in order, and the texts of the files, by their names."""
    section = README.read_text().partition("## Quick start")[2].partition("\n## ")[0]
    lines: list[str] = []
    files: dict[str, str] = {}
    for before, block in indented_blocks(section):
        if not block.startswith("["):
            lines += block.splitlines()
            continue
        names = re.findall(r"`(\w+\.ini)`", before)
        texts = re.split(r"\n(?=\[)", block)
        files |= dict(zip(names, texts, strict=True))
    return lines, files


def test_each_line_works_and_the_event_arrives(terminal: Terminal) -> None:
    # given what the page says
    lines, files = quick_start()
    assert set(files) == {"app.ini", "central.ini", "mover.ini"}
    assert len(lines) > 12
    for name, text in files.items():
        (terminal.folder / name).write_text(text)
    commands = [line for line in lines if line != "pip install ."]
    assert len(commands) == len(lines) - 1
    # when a reader enters the lines
    said: dict[str, str] = {}
    for line in commands:
        if line.startswith("tail "):
            wait_for_the_event(terminal, commands[-4])
        said[line] = terminal.enter(line).stdout
    # then the event is shown where the page shows it
    tail = next(text for line, text in said.items() if line.startswith("tail "))
    assert re.search(r" INFO \{count: 1, duration: ", tail)
    select = next(text for line, text in said.items() if "ev_data from" in line)
    assert re.search(r"greeting +\| hello\n-*\(1 row\)", select)
    status = next(text for line, text in said.items() if line.endswith("status"))
    assert "all_events" in status
    assert "reader" in status
    # and all is stopped, by the last lines
    wait_until(lambda: not terminal.daemons(), PATIENCE, "the end of all daemons")
    assert list(terminal.folder.glob("*.pid")) == []


def wait_for_the_event(terminal: Terminal, select: str) -> None:
    """A reader's patience: the tickers wait some seconds."""
    assert shlex.split(select)[:3] == ["psql", "-d", "central"]
    wait_until(lambda: "(1 row)" in terminal.enter(select).stdout, PATIENCE, "the event", 0.2)
