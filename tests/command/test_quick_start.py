"""The README's quick start, line by line, on one server with two empty databases."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import SUPERUSER, Cluster
from testbed.processes import process_alive, run, wait_until
from testbed.programs import postgres_bindir
from testbed.reaper import REAPER
from tests.command.world import PATIENCE

README = Path(__file__).parents[2] / "README.md"
FILES = ("app.ini", "central.ini", "mover.ini")
DAEMONS = ("app_ticker.pid", "central_ticker.pid", "mover.pid")


def quick_start() -> tuple[list[str], list[str]]:
    """The config files and the commands of the quick start, in the order of the README."""
    section = README.read_text().partition("## Quick start\n")[2].partition("\n## ")[0]
    paragraphs = [text for text in section.split("\n\n") if text.startswith("    ")]
    plain = ["\n".join(line.strip() for line in text.splitlines()) for text in paragraphs]
    files = [text for text in plain if text.startswith("[")]
    commands = [line for text in plain if text not in files for line in text.splitlines()]
    return files, [line for line in commands if not line.startswith("pip ")]


@pytest.fixture
def server(source_cluster: Cluster) -> Iterator[Cluster]:
    """A server with the databases that the README names, empty."""
    source_cluster.start()
    for name in ("app", "central"):
        source_cluster.create_database(name)
    yield source_cluster
    for name in ("app", "central"):
        source_cluster.drop_database(name)


class Shell:
    """Runs command lines in a directory, as somebody whose default server is this one."""

    def __init__(self, directory: Path, server: Cluster) -> None:
        self._directory = directory
        programs = [Path(sys.executable).parent, postgres_bindir(), os.environ["PATH"]]
        self._environment = {
            "PATH": os.pathsep.join(map(str, programs)),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGUSER": SUPERUSER,
        }

    def __call__(self, line: str) -> str:
        """Run a line; what it printed. It has to succeed."""
        command = ["sh", "-c", line]
        done = run(command, cwd=self._directory, env=self._environment, timeout=PATIENCE)
        return done.check().stdout


@contextlib.contextmanager
def cleaned_up(directory: Path) -> Iterator[None]:
    """End what a quick start that failed half way left running."""
    try:
        yield
    finally:
        for name in DAEMONS:
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((directory / name).read_text()), signal.SIGKILL)


def received(server: Cluster) -> list[str]:
    """What the consumer `reader` of the target queue gets."""
    found: list[str] = []

    def take_batch() -> bool:
        with server.connect("central") as conn:
            row = conn.execute("select pgq.next_batch('all_events', 'reader')").fetchone()
            if row is None or row[0] is None:
                return False
            events = conn.execute("select ev_data from pgq.get_batch_events(%s)", row)
            found.extend(event[0] for event in events)
            conn.execute("select pgq.finish_batch(%s)", row)
        return bool(found)

    wait_until(take_batch, PATIENCE, "the event for the consumer")
    return found


def test_line_by_line(tmp_path: Path, server: Cluster) -> None:
    files, commands = quick_start()
    for name, text in zip(FILES, files, strict=True):
        (tmp_path / name).write_text(text)
    stop = next(n for n, line in enumerate(commands) if line.startswith("queue_mover3 -s"))
    sh = Shell(tmp_path, server)
    with cleaned_up(tmp_path):
        printed = {line: sh(line) for line in commands[:stop]}
        pids = [int((tmp_path / name).read_text()) for name in DAEMONS]
        for pid in pids:
            REAPER.watch_process(pid)
        select = commands[stop - 1]
        wait_until(lambda: "hello" in sh(select), PATIENCE, "the event in the target queue")
        assert "{count: 1, " in (tmp_path / "mover.log").read_text()
        status = printed["pgqadm.py central.ini status"]
        assert "all_events" in status
        assert "reader" in status
        assert received(server) == ["hello"]
        for line in commands[stop:]:
            sh(line)
        wait_until(lambda: not any(map(process_alive, pids)), PATIENCE, "the end of all daemons")
        assert not any((tmp_path / name).exists() for name in DAEMONS)
