"""Plain text in 80 columns; on a terminal, with one live line and some colour."""

import os
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper

from demo.recording import Recording

WIDTH = 78
BOLD, DIM, GREEN, RED = "1", "2", "1;32", "1;31"


class Screen:
    """The demo's output; one that is recorded is always that of a terminal with colours."""

    def __init__(self, recording: Recording | None = None) -> None:
        self._recording = recording
        terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.terminal = terminal or recording is not None
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        self._colours = recording is not None or (terminal and not os.environ.get("NO_COLOR"))
        self._live = False

    def _write(self, text: str) -> None:
        if self._live:
            self._live = False
            text = "\r" + " " * WIDTH + "\r" + text
        sys.stdout.write(text)
        sys.stdout.flush()
        if self._recording:
            self._recording.write(text)

    def end_recording(self) -> None:
        """What follows is not recorded."""
        if self._recording:
            self._recording.end()

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colours else text

    def title(self, text: str) -> None:
        """The first line."""
        self._write(f"\n{self._styled(text, BOLD)}\n")

    def act(self, text: str) -> None:
        """A heading."""
        self._write(f"\n{self._styled(text, BOLD)}\n\n")

    def say(self, *lines: str) -> None:
        """Text, as it is, indented."""
        self._write("".join(f"  {line}".rstrip() + "\n" for line in lines))

    def command(self, *commands: str) -> None:
        """Commands, as typed in a shell."""
        for text in commands:
            for line in f"$ {text}".splitlines():
                self._write(f"    {self._styled(line, DIM)}\n")

    def quote(self, text: str) -> None:
        """The output of a command, or the contents of a file."""
        self._write("".join(f"    {line}".rstrip() + "\n" for line in text.splitlines()))

    def gap(self) -> None:
        """An empty line."""
        self._write("\n")

    def verdict(self, text: str, *, good: bool) -> None:
        """The result."""
        self._write(f"\n  {self._styled(text, GREEN if good else RED)}\n")

    def live(self, text: str) -> None:
        """Replace the live line; without a terminal, print an ordinary line."""
        if not self.terminal:
            self.say(text)
            return
        # Overwrite it without clearing it first, which would flicker.
        self._live = False
        self._write("\r" + f"  {text}".ljust(WIDTH)[:WIDTH])
        self._live = True

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Columns, the first left-aligned, the others right-aligned; rules around the body."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rule = "  ".join("-" * width for width in widths)
        first, *body, last = [_aligned(row, widths) for row in rows]
        self.say(first, rule, *body, rule, last)


def shortened(text: str, width: int = WIDTH - 4) -> str:
    """Text cut to fit a quoted line."""
    return text if len(text) <= width else text[: width - 3] + "..."


def _aligned(row: Iterable[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return "  ".join(cells)
