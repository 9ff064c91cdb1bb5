"""What processes cost: wall time, CPU time and memory."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.procfs import cpu_seconds, resident_memory

METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True)
class Usage:
    """What one or more processes used in total."""

    wall: float
    """Seconds."""
    cpu: float
    """CPU seconds."""
    memory: float
    """MiB: the peak if measured until exit, otherwise the resident memory."""

    @property
    def load(self) -> float:
        """The share of one core; 1 is a full core."""
        return self.cpu / self.wall


def measure(*commands: Sequence[str], timeout: float = 1800) -> Usage:
    """Run commands piped into each other. Raises RuntimeError with their stderr on failure."""
    with tempfile.TemporaryFile("w+") as stderr:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(METER), json.dumps([list(c) for c in commands])],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=timeout,
            check=True,
        )
        stderr.seek(0)
        errors = stderr.read()[-2000:]
    figures = json.loads(done.stdout)
    if figures.pop("code") != 0:
        raise RuntimeError(f"{commands[0][0]} failed: {errors}")
    return Usage(**figures)


def watch(pids: Sequence[int], seconds: float) -> Usage:
    """Measure running processes for a while."""
    started, before = time.monotonic(), sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    wall = time.monotonic() - started
    return Usage(wall, sum(map(cpu_seconds, pids)) - before, sum(map(resident_memory, pids)))
