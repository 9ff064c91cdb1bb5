"""What a command cost."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True)
class Usage:
    """Seconds, processor seconds, and peak memory in MiB of one or more piped processes."""

    wall: float
    cpu: float
    memory: float


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
