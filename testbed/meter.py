"""Run commands piped into each other; print their time, processor time and peak memory as JSON.

A small process of its own, because a process started by a big one is born with its parent's peak
memory. The standard library alone. Called as `python -S meter.py '[["psql", …], ["psql", …]]'`.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Measure."""
    commands: list[list[str]] = json.loads(sys.argv[1])
    started = time.perf_counter()
    running = []
    before = None
    for command in commands:
        last = command is commands[-1]
        process = subprocess.Popen(
            command,
            stdin=before or subprocess.DEVNULL,
            stdout=sys.stderr if last else subprocess.PIPE,
        )
        if before:
            before.close()
        before = process.stdout
        running.append(process)
    code, cpu, memory = 0, 0.0, 0
    for process in running:
        _, status, usage = os.wait4(process.pid, 0)
        code = code or os.waitstatus_to_exitcode(status)
        cpu += usage.ru_utime + usage.ru_stime
        memory += usage.ru_maxrss
    wall = time.perf_counter() - started
    print(json.dumps({"code": code, "wall": wall, "cpu": cpu, "memory": memory / 1024}))


if __name__ == "__main__":
    main()
