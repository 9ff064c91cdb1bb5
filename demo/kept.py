"""What remains after KEEP=1: how to connect, where things are, and how to remove it all."""

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

from demo.movers import INI, JOB
from demo.screen import Screen
from demo.servers import PREFIX, SOURCE_QUEUE, Databases
from demo.tickers import has_pgqd
from testbed.processes import wait_until
from testbed.procfs import process_alive
from testbed.programs import postgres_bindir
from testbed.reaper import remove_directory


def describe(screen: Screen, directory: Path, databases: Databases) -> None:
    """Explain what is still running."""
    screen.act("Still running, because of KEEP=1")
    psql = "psql" if shutil.which("psql") else str(postgres_bindir() / "psql")
    ticker_files = "pgqd.ini, pgqd.log," if has_pgqd() else ""
    for database in databases.every:
        screen.command(f'{psql} "{database.conninfo()}"')
    screen.gap()
    screen.say("Insert an event on a shard, and see it arrive in central:")
    shard = databases.shards[0]
    screen.command(
        f'{psql} "{shard.conninfo()}" \\\n'
        f"      -c \"select pgq.insert_event('{SOURCE_QUEUE}', 'hello', 'world')\"",
        f'{psql} "{databases.central.conninfo()}" \\\n'
        '      -c "select * from pgq.event_1 order by ev_id desc limit 1"',
    )
    screen.gap()
    screen.say(
        f"Everything is in {directory}:",
        f"  mover     {INI}, {JOB}.log, {JOB}.pid",
        "  pgqadm    admin-shard0.ini, admin-central.ini and so on",
        f"  clusters  sources-cluster and target-cluster: {ticker_files}",
        "            postgresql.log, data",
        f"  commands  {_shown(Path(sys.executable).parent)}",
    )
    screen.gap()
    screen.say("To stop and remove it all, run this here:")
    screen.command(f"{_shown(Path(sys.executable))} -m demo stop {directory}")


def _shown(path: Path) -> str:
    """Relative to the current directory if inside it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def stop(directory: Path) -> str:
    """Stop and remove what was kept; returns an error if the directory is not the demo's."""
    if not directory.name.startswith(PREFIX) or not directory.is_dir():
        return f"{directory} is not a directory of the demo"
    clusters = [link.resolve() for link in directory.glob("*-cluster")]
    for pidfile in directory.glob("*.pid"):
        _end(pidfile, signal.SIGTERM)
    for cluster in clusters:
        _end(cluster / "pgqd.pid", signal.SIGTERM)
        _end(cluster / "data" / "postmaster.pid", signal.SIGQUIT)
    for path in (*clusters, directory):
        remove_directory(path)
    return ""


def _end(pidfile: Path, signum: signal.Signals) -> None:
    """End the process if it runs where its pidfile is; another may have its pid by now."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        pid = int(pidfile.read_text().split()[0])
        if Path(f"/proc/{pid}/cwd").resolve() != pidfile.parent.resolve():
            return
        os.kill(pid, signum)
        wait_until(lambda: not process_alive(pid), 20, f"process {pid} to exit")
