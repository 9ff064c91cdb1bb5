"""Reports to the service manager (systemd): ready, reloading, stopping, alive, and a status."""

from collections.abc import Callable

from queue_mover.service.timer import Timer
from queue_mover.system.notify import Notifier

STATUS_PERIOD = 10.0
"""Seconds between refreshes of the status."""

CHANGE_DELAY = 1.0
"""Seconds after a change until it is in the status: many sources change together."""


class ServiceManager:
    """Reports the state of the process. Used by the main thread alone.

    The watchdog is fed by a timer of the main loop, and so only while that runs. A worker that
    does not progress is left alone: a restart would abandon the batches of all others.
    """

    def __init__(self, notifier: Notifier, describe: Callable[[], str]) -> None:
        """`describe` returns what the sources do, in one short line."""
        self._notifier = notifier
        self._describe = describe
        self._phase = "starting"
        self._rejected = False
        self._refresh = Timer(STATUS_PERIOD if notifier.active else 0, self.refresh)
        self.timers = (self._refresh, Timer(notifier.watchdog / 2, notifier.alive))

    def running(self) -> None:
        """All jobs have started."""
        if self._phase == "starting":
            self._phase = ""
            self.refresh()
            self._notifier.ready()

    def reloading(self) -> None:
        """A HUP has arrived."""
        if not self._phase:
            self._notifier.reloading()

    def reloaded(self, *, rejected: bool) -> None:
        """The config has been read after a HUP, and applied or `rejected`."""
        self._rejected = rejected
        if not self._phase:
            self.refresh()
            self._notifier.ready()

    def stopping(self) -> None:
        """The process is about to end."""
        if self._phase != "stopping":
            self._phase = "stopping"
            self._notifier.stopping()
            self.refresh()

    def changed(self) -> None:
        """A source has started or ended."""
        if self._notifier.active and self._refresh.period != CHANGE_DELAY:
            self._refresh.restart(CHANGE_DELAY)

    def refresh(self) -> None:
        """Send the status, if it has changed."""
        if not self._notifier.active:
            return
        if self._refresh.period != STATUS_PERIOD:
            self._refresh.restart(STATUS_PERIOD)
        phase = f"{self._phase}: " if self._phase else ""
        note = "; last reload rejected, see the log" if self._rejected else ""
        self._notifier.status(f"{phase}{self._describe()}{note}")


def describe(*, sources: int, failing: int, stopped: int, events: int | None) -> str:
    """What the sources of a process do. `stopped`: those that have failed for good; `events`:
    moved since the start, None where none are expected."""
    many = sources + stopped > 1
    parts = [f"{sources} sources"] if many else []
    if failing:
        parts.append(f"{failing} failing" if many else "failing")
    if stopped:
        parts.append(f"{stopped} stopped" if many else "stopped")
    if events is not None:
        parts.append(f"{events} events moved")
    return ", ".join(parts) or ("running" if sources else "no source is running")
