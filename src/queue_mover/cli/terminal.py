"""The display of a foreground run on a terminal; loaded only if it is shown."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from queue_mover.config.settings import Settings
from queue_mover.observation.progress import ProcessSnapshot
from queue_mover.service.job import Plan

if TYPE_CHECKING:
    from queue_mover.reporting.terminal.display import Display


def is_wanted(given: argparse.Namespace) -> bool:
    """Whether the switches, stderr and the environment allow more than plain log lines."""
    return not (
        given.daemon
        # As in the log, -v wins over -q.
        or (given.quiet and not given.verbose)
        or os.environ.get("NO_COLOR")
        or os.environ.get("TERM", "dumb") in ("", "dumb")
    ) and bool(sys.stderr and sys.stderr.isatty())


class Terminal:
    """The display of a run, if it is wanted."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._display: Display | None = None

    @contextmanager
    def beside(
        self, snapshot: Callable[[], ProcessSnapshot], log: logging.Logger
    ) -> Iterator[None]:
        """A context in which the display is shown, if it is wanted."""
        if not is_wanted(self._given):
            yield
            return
        from queue_mover.reporting.terminal.display import Display  # noqa: PLC0415

        self._display = Display(
            self._given.program, snapshot, log, verbose=bool(self._given.verbose)
        )
        self._display.start()
        try:
            yield
        finally:
            self._display.stop()

    def plan(self, settings: Settings, plan: Plan) -> Plan:
        """The plan, with the display following it."""

        def adopted() -> None:
            plan.adopted()
            if self._display:
                self._display.follow(settings)

        return replace(plan, adopted=adopted)
