"""What processes cost: time, processor time and memory."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True)
class Usage:
    """What one or more processes used, all together."""

    wall: float
    """Seconds."""
    cpu: float
    """Processor seconds."""
    memory: float
    """MiB: the peak, where they were measured to their end; else what is resident."""

    @property
    def load(self) -> float:
        """The share of one core, from 0."""
        return self.cpu / self.wall


def measure(*commands: Sequence[str], timeout: float = 1800) -> Usage:
    """Run commands, piped into each other. Raises RuntimeError with what they said on failure."""
    with tempfile.TemporaryFile("w+") as complaints:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(METER), json.dumps([list(c) for c in commands])],
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            timeout=timeout,
            check=True,
        )
        complaints.seek(0)
        said = complaints.read()[-2000:]
    figures = json.loads(done.stdout)
    if figures.pop("code") != 0:
        raise RuntimeError(f"{commands[0][0]} failed: {said}")
    return Usage(**figures)


def watch(pids: Sequence[int], seconds: float) -> Usage:
    """Measure running processes for a while."""
    started, used = time.monotonic(), sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    passed = time.monotonic() - started
    spent = sum(map(cpu_seconds, pids)) - used
    return Usage(passed, spent, sum(map(_resident_memory, pids)))


def cpu_seconds(pid: int) -> float:
    """Processor time that the threads of a process have used; to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def _resident_memory(pid: int) -> float:
    """In MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
