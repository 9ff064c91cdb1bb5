"""The layout: which daemons move which shards, by which ini files.

One daemon for each shard. The rest of the demo knows shards and commands only.
"""

import os
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.stage import SOURCE_QUEUE, TARGET_QUEUE, Databases, DemoError
from testbed.processes import process_alive, run, script, wait_until
from testbed.reaper import REAPER

PROGRAM = "queue_mover3"


class Movers:
    """The daemons of the demo, in the demo's directory; as a context manager, ended unless kept."""

    def __init__(self, directory: Path, databases: Databases) -> None:
        self._directory = directory
        self._kept = False
        self._started: set[str] = set()
        self._daemons = {shard.name: f"{shard.name}.ini" for shard in databases.shards}
        for shard in databases.shards:
            lines = [
                "[queue_mover3]",
                f"job_name       = {shard.name}",
                f"src_db         = {shard.conninfo()}",
                f"dst_db         = {databases.central.conninfo()}",
                f"queue_name     = {SOURCE_QUEUE}",
                f"dst_queue_name = {TARGET_QUEUE}",
                "loop_delay     = 0.2",
                "logfile        = %(job_name)s.log",
                "pidfile        = %(job_name)s.pid",
                "",
            ]
            (directory / f"{shard.name}.ini").write_text("\n".join(lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._kept:
            for ini in filter(self.running, self.ini_files):
                self.kill(ini)

    @property
    def ini_files(self) -> list[str]:
        """Their names, one for each daemon."""
        return list(dict.fromkeys(self._daemons.values()))

    def ini_text(self, ini: str) -> str:
        """What stands in one of them."""
        return (self._directory / ini).read_text()

    def consumer(self, shard: str) -> str:
        """The consumer that moves a shard; its connections bear the same name."""
        return shard

    def start_command(self, ini: str) -> str:
        """What one types to start a daemon."""
        return f"{PROGRAM} -d {ini}"

    def stop_command(self, ini: str) -> str:
        """What one types to stop it after its batch."""
        return f"{PROGRAM} -s {ini}"

    def ini_of(self, shard: str) -> str:
        """The file of the daemon that moves a shard."""
        return self._daemons[shard]

    def start(self, ini: str) -> None:
        """Start a daemon; it has made its first step when this returns."""
        try:
            self._run("-d", ini)
        except KeyboardInterrupt:
            # The daemon may be on its way, and its pidfile not written.
            time.sleep(0.5)
            raise
        REAPER.watch_process(self.pid(ini), signal.SIGTERM)
        self._started.add(ini)

    def stop(self, ini: str) -> None:
        """Let a daemon finish its batch and end."""
        pid = self.pid(ini)
        self._started.discard(ini)
        self._run("-s", ini)
        wait_until(lambda: not process_alive(pid), 30, f"the end of {ini}")
        REAPER.forget_process(pid)

    def kill(self, ini: str) -> int:
        """SIGKILL; the pid that was."""
        pid = self.pid(ini)
        self._started.discard(ini)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not process_alive(pid), 10, f"the end of process {pid}", 0.002)
        REAPER.forget_process(pid)
        return pid

    def pid(self, ini: str) -> int:
        """The process id that the daemon wrote into its pidfile."""
        return int((self._directory / ini).with_suffix(".pid").read_text())

    def running(self, ini: str) -> bool:
        """Whether the daemon lives."""
        try:
            return process_alive(self.pid(ini))
        except (FileNotFoundError, ValueError):
            return False

    def check(self) -> None:
        """Raise DemoError, with its last words, when a daemon has ended by itself."""
        for ini in self._started:
            if not self.running(ini):
                raise DemoError("\n".join([f"The mover of {ini} has ended:", *self.log(ini)[-5:]]))

    def log(self, ini: str) -> list[str]:
        """The lines of a daemon's log."""
        path = (self._directory / ini).with_suffix(".log")
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def keep(self) -> None:
        """Leave them running when this process ends."""
        self._kept = True
        for ini in self.ini_files:
            REAPER.forget_process(self.pid(ini))

    def _run(self, switch: str, ini: str) -> None:
        done = run([script(PROGRAM), switch, ini], cwd=self._directory)
        if done.returncode != 0:
            raise DemoError(f"{PROGRAM} {switch} {ini} failed:\n{done.stderr}")
