"""One poll of the databases, in a separate process.

It reads a pickled Question from stdin and writes a pickled Overview to stdout. In the mover's
process its threads would compete with the movers, and one that hangs would prevent the exit.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from queue_mover.config.settings import MoverSettings
from queue_mover.observation import overview
from queue_mover.observation.findings import Place, unreadable
from queue_mover.observation.overview import Overview

LONGEST = 300
"""Seconds that a poll may take."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to poll."""

    movers: tuple[MoverSettings, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """Sources that cannot be used, and why."""

    def answer(self) -> Overview:
        """Poll now, in this process."""
        return overview.read([], self.movers, None, 0, refused=self.refused)


class Look:
    """A poll in another process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def take(self, question: Question) -> Overview:
        """Poll, and wait for the result. If that fails, a finding in the overview says why."""
        try:
            with subprocess.Popen(
                [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A terminal's ^C is for the mover, which ends its polls itself.
                start_new_session=True,
            ) as self._process:
                if self._stopped:
                    self.stop()
                out, err = self._process.communicate(pickle.dumps(question))
        except OSError as error:
            return _failed(
                f"cannot poll the databases: {error.strerror}", "allow more processes or memory"
            )
        if self._process.returncode:
            last = (err.decode(errors="replace").splitlines() or ["no message"])[-1]
            if self._process.returncode == -signal.SIGALRM:
                last = f"it took longer than {LONGEST} s"
            return _failed(f"cannot poll the databases: {last}", "pgqadm.py status --movers CONFIG")
        try:
            seen: Overview = pickle.loads(out)
        except (EOFError, pickle.UnpicklingError):
            return _failed(
                "cannot poll the databases: no answer", "pgqadm.py status --movers CONFIG"
            )
        return seen

    def stop(self) -> None:
        """End it, from another thread."""
        self._stopped = True
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()


def _failed(text: str, remedy: str) -> Overview:
    return Overview(others=(unreadable(text, Place(), remedy),))


def main() -> None:
    """Answer one question."""
    # The thread that started this process blocks signals, and so does this process until now.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(LONGEST)
    with suppress(OSError):
        os.nice(5)
    question: Question = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps(question.answer()))
