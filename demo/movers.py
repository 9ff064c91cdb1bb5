"""The layout: which daemon moves which shards, by which ini file.

One daemon for all shards, with a section for each. The rest of the demo knows shards and
commands only.
"""

import os
import signal
import time
from pathlib import Path
from typing import Self

from demo.servers import SOURCE_QUEUE, TARGET_QUEUE, Databases, DemoError
from testbed.processes import process_alive, run, script, wait_until
from testbed.reaper import REAPER

PROGRAM = "queue_mover3"
INI = "movers.ini"
JOB = "shops"
"""the name of its log and pidfile, and of its connections; the consumers' names begin with it"""


class Movers:
    """The daemon of the demo, in the demo's directory; as a context manager, ended unless kept."""

    def __init__(self, directory: Path, databases: Databases) -> None:
        self._directory = directory
        self._kept = False
        self._started = False
        lines = [
            "[queue_mover3]",
            f"job_name       = {JOB}",
            f"dst_db         = {databases.central.conninfo()}",
            f"queue_name     = {SOURCE_QUEUE}",
            f"dst_queue_name = {TARGET_QUEUE}",
            "loop_delay     = 0.2",
            "logfile        = %(job_name)s.log",
            "pidfile        = %(job_name)s.pid",
        ]
        for shard in databases.shards:
            lines += ["", f"[source:{shard.name}]", f"src_db = {shard.conninfo()}"]
        (directory / INI).write_text("\n".join([*lines, ""]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept and self.running:
            self.kill()

    @property
    def ini_text(self) -> str:
        """What stands in the ini file."""
        return (self._directory / INI).read_text()

    def consumer(self, shard: str) -> str:
        """The consumer that moves a shard."""
        return f"{JOB}.{shard}"

    @property
    def start_command(self) -> str:
        """What one types to start it."""
        return f"{PROGRAM} -d {INI}"

    @property
    def stop_command(self) -> str:
        """What one types to stop it after the running batches."""
        return f"{PROGRAM} -s {INI}"

    def start(self) -> None:
        """Start it; every source has made its first step when this returns."""
        try:
            self._run("-d")
        except KeyboardInterrupt:
            # The daemon may be on its way, and its pidfile not written.
            time.sleep(0.5)
            raise
        REAPER.watch_process(self.pid, signal.SIGTERM)
        self._started = True

    def stop(self) -> None:
        """Let it finish its batches and end."""
        pid = self.pid
        self._started = False
        self._run("-s")
        wait_until(lambda: not process_alive(pid), 30, f"the end of {PROGRAM}")
        REAPER.forget_process(pid)

    def kill(self) -> int:
        """SIGKILL; the pid that was."""
        pid = self.pid
        self._started = False
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not process_alive(pid), 10, f"the end of process {pid}", 0.002)
        REAPER.forget_process(pid)
        return pid

    @property
    def pid(self) -> int:
        """The process id that it wrote into its pidfile."""
        return int((self._directory / f"{JOB}.pid").read_text())

    @property
    def running(self) -> bool:
        """Whether it lives."""
        try:
            return process_alive(self.pid)
        except (FileNotFoundError, ValueError):
            return False

    def check(self) -> None:
        """Raise DemoError, with its last words, when it has ended by itself."""
        if self._started and not self.running:
            raise DemoError("\n".join([f"{PROGRAM} has ended:", *self.log()[-5:]]))

    def log(self) -> list[str]:
        """The lines of its log."""
        path = self._directory / f"{JOB}.log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def keep(self) -> None:
        """Leave it running when this process ends."""
        self._kept = True
        REAPER.forget_process(self.pid)

    def _run(self, switch: str) -> None:
        done = run([script(PROGRAM), switch, INI], cwd=self._directory)
        if done.returncode != 0:
            raise DemoError(f"{PROGRAM} {switch} {INI} failed:\n{done.stderr}")
