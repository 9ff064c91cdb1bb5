"""Polls the databases at intervals, and keeps the last result."""

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from queue_mover.observation.history import NOTHING, History
from queue_mover.observation.overview import Overview
from queue_mover.reporting import document
from queue_mover.reporting.web.look import Look, Question
from queue_mover.system.signals import start_thread

FRESH = 10.0
"""Seconds for which one poll serves all clients."""

UNASKED = 30.0
"""Seconds between polls while no client asks: the charts need one in each of their periods."""

SHARE = 9
"""The pause after a poll, as a multiple of its duration: many sources are polled less often, not
all the time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of one poll."""

    overview: Overview
    document: str
    """The JSON of `pgqadm status --movers --json`."""
    taken: float
    """When it ended, by the monotonic clock."""
    seconds: float
    """How long it took, in seconds."""
    lags: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By source: the lag in each period of `history`, in seconds; NaN: not known."""


class Looker:
    """A thread that polls. Clients wait briefly for a newer poll, and never start one."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._changed = threading.Condition()
        self._seen: Seen | None = None
        self._asked = False
        self._looking = False
        self._look = Look()
        self._stopping = False
        self._lags: dict[str, History] = {}
        self._thread = threading.Thread(target=self._run, name="http status", daemon=True)

    def start(self) -> None:
        """Start. Raises OperatorError if no thread can be started."""
        start_thread(self._thread)

    def stop(self) -> None:
        """Stop, and end the poll that is under way."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._look.stop()

    def follow(self, question: Question) -> None:
        """Poll these from now on."""
        with self._changed:
            self._question = question
            self._changed.notify_all()

    def see(self, patience: float) -> Seen | None:
        """The latest poll. Waits `patience` seconds at most when that is not fresh and another is
        due or under way; None: none has ended yet."""
        with self._changed:
            before, now = self._seen, time.monotonic()
            if before is not None and now - before.taken < FRESH:
                return before
            self._asked = True
            self._changed.notify_all()
            if before is not None and not self._looking and (self._due_in(now) or 0) > 0:
                return before
            self._changed.wait_for(lambda: self._seen is not before or self._stopping, patience)
            return self._seen

    def _due_in(self, now: float) -> float | None:
        """Seconds until the next poll; None: there is nothing to poll."""
        if not (self._question.movers or self._question.refused):
            return None
        if self._seen is None:
            return 0.0
        pause = max(FRESH if self._asked else UNASKED, SHARE * self._seen.seconds)
        return max(0.0, self._seen.taken + pause - now)

    def _next(self) -> Question | None:
        """Wait until a poll is due. Returns what to poll; None: stop."""
        with self._changed:
            while not self._stopping:
                wait = self._due_in(time.monotonic())
                if wait == 0:
                    self._asked, self._looking = False, True
                    return self._question
                self._changed.wait(wait)
        return None

    def _run(self) -> None:
        while question := self._next():
            began = time.monotonic()
            seen = self._look.take(question)
            now = time.monotonic()
            text = document.text(seen)
            taken = Seen(seen, text, now, now - began, self._remember(seen, now))
            with self._changed:
                self._seen, self._looking = taken, False
                self._changed.notify_all()

    def _remember(self, seen: Overview, now: float) -> dict[str, tuple[float, ...]]:
        names = {view.source.name for view in seen.sources}
        if names:
            self._lags = {name: each for name, each in self._lags.items() if name in names}
        for view in seen.sources:
            consumer = view.source.consumer
            lag = consumer.lag if consumer else None
            if lag is not None and math.isfinite(lag):
                self._lags.setdefault(view.source.name, History(NOTHING)).put(now, lag)
        return {name: each.values(now) for name, each in self._lags.items()}
