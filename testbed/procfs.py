"""What /proc says about a process."""

import contextlib
from pathlib import Path


def process_state(pid: int) -> str:
    """The letter of a process's state; X when it no longer exists."""
    try:
        return _stat(Path(f"/proc/{pid}/stat"))[0]
    except OSError:
        return "X"


def process_alive(pid: int) -> bool:
    """Whether a process, ours or not, exists and is not a zombie."""
    return process_state(pid) not in "ZX"


def child_processes(parent: int) -> list[int]:
    """The process ids of the live direct children of a process."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, ppid, *_ = _stat(path)
            if int(ppid) == parent and state not in "ZX":
                children.append(int(path.parent.name))
    return children


def cpu_seconds(pid: int) -> float:
    """CPU time used by the threads of a process, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_memory(pid: int) -> float:
    """In MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def _stat(path: Path) -> list[str]:
    """The fields of a stat file from the state on: the name before may hold spaces and brackets."""
    return path.read_text().rpartition(")")[2].split()
