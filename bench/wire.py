"""The delaying proxy, as its user sees it."""

import json
import subprocess
import sys
from typing import Any, Self

from bench.ground import Ground


class Wire:
    """A long line to both clusters, as a context manager."""

    def __init__(self, ground: Ground, delay: float) -> None:
        """`delay` is added to every round trip, in seconds."""
        addresses = [f"127.0.0.1:{cluster.port}" for cluster in (ground.source, ground.target)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.proxy", str(delay), *addresses],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.source_port, self.target_port = self._line()

    def _line(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def round_trips(self) -> tuple[int, int]:
        """How many there were so far, to the source and to the target."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        source, target = self._line()
        return int(source), int(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
