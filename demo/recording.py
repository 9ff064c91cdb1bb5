"""A recording of what the demo writes: as rows of a terminal, at a pace that can be read."""

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

LONGEST_WAIT = 1.0
"""seconds that a wait is shown for, however long it was"""
READING = 0.22
"""seconds for a line before the next one appears"""
READING_BLANK = 0.05
LIVE_SPEED = 3.0
"""how much faster than in reality the live line counts"""
LIVE_EVERY = 0.15
"""seconds between two states of the live line, at least"""

_STYLED = re.compile(r"\x1b\[([\d;]+)m(.*?)\x1b\[0m")


@dataclass(frozen=True)
class Span:
    """Some characters of a line."""

    text: str
    style: str = ""
    """as in the escape sequence: `1;32`"""


@dataclass(frozen=True)
class State:
    """What a row shows from a moment on."""

    seconds: float
    """since the beginning"""
    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        """Without the styles."""
        return "".join(span.text for span in self.spans)


Row = tuple[State, ...]
"""The states of a row, in order; more than one only for a live line."""


class Recording:
    """What is written, and when; a Screen fills it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._written: list[tuple[float, str]] = []
        self._ended = False

    def write(self, text: str) -> None:
        """Record a text, as written to a terminal."""
        if not self._ended:
            self._written.append((self._clock() - self._began, text))

    def end(self) -> None:
        """Ignore what follows."""
        self._ended = True

    def rows(self) -> list[Row]:
        """The rows of a terminal without end, blank ones at the beginning left out."""
        rows: list[list[State]] = []
        line = ""
        for seconds, written in self._written:
            for text in re.findall(r"[^\n]*\n|[^\n]+", written):
                if not line:
                    rows.append([])
                # A carriage return is followed by a whole line.
                line = (line + text).rpartition("\r")[2]
                rows[-1].append(State(seconds, _spans(line.rstrip())))
                line = "" if line.endswith("\n") else line
        shown = itertools.dropwhile(lambda row: not row[-1].text, rows)
        return [tuple(row) for row in shown]


def _spans(line: str) -> tuple[Span, ...]:
    spans: list[Span] = []
    end = 0
    for found in _STYLED.finditer(line):
        spans += [Span(line[end : found.start()]), Span(found[2], found[1])]
        end = found.end()
    return tuple(span for span in (*spans, Span(line[end:])) if span.text)


def paced(rows: Sequence[Row]) -> list[Row]:
    """The same rows with long waits shortened, and time to read each line."""
    shown: list[Row] = []
    now = 0.0
    before: State | None = None
    for row in rows:
        states: list[State] = []
        for state in row:
            now += _gap(before, state, live=bool(states)) if before else 0.0
            before = state
            states.append(replace(state, seconds=now))
        shown.append(tuple(_thinned(states)))
    return shown


def _gap(before: State, state: State, *, live: bool) -> float:
    waited = state.seconds - before.seconds
    if live:
        return waited / LIVE_SPEED
    return min(waited, LONGEST_WAIT) + (READING if before.text else READING_BLANK)


def _thinned(states: Iterable[State]) -> Iterator[State]:
    """Without those that follow another too closely; the last one stays, as does the first."""
    *others, last = states
    previous = -LIVE_EVERY
    for state in others:
        if state.seconds - previous >= LIVE_EVERY:
            previous = state.seconds
            yield state
    yield last
