"""Run commands piped into each other; print their wall time, CPU time and peak memory as JSON.

A small process of its own, because a child inherits the peak memory of the process that starts it.
Standard library only. Called as `python -S meter.py '[["psql", …], ["psql", …]]'`.
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
    upstream = None
    for command in commands:
        last = command is commands[-1]
        process = subprocess.Popen(
            command,
            stdin=upstream or subprocess.DEVNULL,
            stdout=sys.stderr if last else subprocess.PIPE,
        )
        if upstream:
            upstream.close()
        upstream = process.stdout
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
