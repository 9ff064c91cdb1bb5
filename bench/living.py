"""What running processes cost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Processor time that the threads of a process have used; to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def memory(pid: int) -> float:
    """Resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


@dataclass(frozen=True)
class Life:
    """A stretch of the life of one or more processes."""

    seconds: float
    cpu: float
    """Of one core, from 0."""
    memory: float
    """MiB at the end, all together."""


def watch(pids: Sequence[int], seconds: float) -> Life:
    """Watch processes for a while."""
    started, used = time.monotonic(), sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    passed = time.monotonic() - started
    spent = sum(map(cpu_seconds, pids)) - used
    return Life(passed, spent / passed, sum(map(memory, pids)))
