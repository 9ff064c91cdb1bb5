"""The daemon that moves all shards, and its ini file with a section for each."""

import os
import signal
import time
from pathlib import Path
from typing import Self

from demo.servers import SOURCE_QUEUE, TARGET_QUEUE, Databases, DemoError, run_program
from testbed.processes import wait_until
from testbed.procfs import process_alive
from testbed.reaper import REAPER

PROGRAM = "queue_mover3"
INI = "movers.ini"
JOB = "shops"
"""names its log, its pidfile and its connections; its consumers' names start with it"""


class Movers:
    """The daemon, run in the demo's directory; as a context manager, killed on exit unless kept."""

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
        """The contents of the ini file."""
        return (self._directory / INI).read_text()

    def consumer(self, shard: str) -> str:
        """The consumer that moves a shard."""
        return f"{JOB}.{shard}"

    @property
    def start_command(self) -> str:
        """As typed in a shell."""
        return f"{PROGRAM} -d {INI}"

    @property
    def stop_command(self) -> str:
        """As typed in a shell; it finishes its batches first."""
        return f"{PROGRAM} -s {INI}"

    def start(self) -> None:
        """Start it; returns once every source has connected."""
        try:
            run_program(self._directory, PROGRAM, "-d", INI)
        except KeyboardInterrupt:
            # The daemon may be starting, its pidfile not yet written.
            time.sleep(0.5)
            raise
        REAPER.watch_process(self.pid, signal.SIGTERM)
        self._started = True

    def stop(self) -> None:
        """Let it finish its batches and exit."""
        pid = self.pid
        self._started = False
        run_program(self._directory, PROGRAM, "-s", INI)
        wait_until(lambda: not process_alive(pid), 30, f"{PROGRAM} to exit")
        REAPER.forget_process(pid)

    def kill(self) -> int:
        """SIGKILL it; returns its pid."""
        pid = self.pid
        self._started = False
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not process_alive(pid), 10, f"process {pid} to exit", 0.002)
        REAPER.forget_process(pid)
        return pid

    @property
    def pid(self) -> int:
        """The process id in its pidfile."""
        return int((self._directory / f"{JOB}.pid").read_text())

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        try:
            return process_alive(self.pid)
        except (FileNotFoundError, ValueError):
            return False

    def check(self) -> None:
        """Raise DemoError, with the end of its log, if it has exited by itself."""
        if self._started and not self.running:
            raise DemoError("\n".join([f"{PROGRAM} has exited:", *self.log()[-5:]]))

    def log(self) -> list[str]:
        """The lines of its log."""
        path = self._directory / f"{JOB}.log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def keep(self) -> None:
        """Leave it running when this process ends."""
        self._kept = True
        REAPER.forget_process(self.pid)
