"""What the service runs: a job does one step at a time; timing is up to the service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from queue_mover.config.settings import ProcessSettings
from queue_mover.observation.progress import BatchInProgress


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step."""

    worked: bool
    """Whether there may be more to do now; otherwise the service sleeps for loop_delay."""
    count: int | None = None
    """Events moved, where the step was a batch."""
    quarantined: int = 0
    """Events that the target could not store."""
    standby: bool = False
    """Whether another mover does the work, so that there is nothing to do for this one."""
    size: int = 0
    """Bytes of the batch, where known."""
    span: int = 0
    """Event numbers of the batch, where known."""
    end_time: float | None = None
    """Of the tick that ends the batch, by the source's clock, where known."""
    delay: float = 0
    """Seconds until the next step; 0: as the settings say."""
    refresh: bool = False
    """Whether the config now has other sources, so that it is to be read again."""


class Job(Protocol):
    """One source queue to move, or one database to tick."""

    def prepare(self) -> None:
        """Make sure that a step can be done; cheap once that is known. Raises as `step`."""

    def step(self) -> Step:
        """Do one piece of work. Raises a QueueMoverError; the service decides on a retry."""

    def sleep(self, seconds: float, stopping: Event) -> None:
        """Sleep between two steps, for less or more where there is a reason; until `stopping`."""

    def stop(self) -> None:
        """From another thread: start nothing more; raise StoppingError instead."""

    def finish(self) -> None:
        """The service is stopping: finish what has been done."""

    def close(self) -> None:
        """Close connections."""

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, it waits for a server."""

    def batch(self) -> BatchInProgress | None:
        """From another thread: the batch that is being copied."""

    def connections(self) -> Mapping[str, int]:
        """From another thread: how many connections of its own are open, by side."""

    def abandon(self) -> None:
        """From another thread: make the running step fail now, rolled back."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job to run, with all that defines it: a change means a new job."""

    source: str
    """Name of the source in the log; "" if it is the only one."""
    settings: object
    process: ProcessSettings
    make: Callable[[], Job] = field(compare=False)
    target: str = ""
    """The target that it may share with other sources, for the log; "" if it is the only one."""
    log_idle: bool = True
    """Whether to write statistics lines without batches; False where none are expected."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of a config."""

    specs: tuple[JobSpec, ...]
    refresh: float = 0
    """Seconds between refreshes of the sources; 0: none."""
    title: str = ""
    """For the first line of the log."""
    warnings: tuple[str, ...] = ()
    """To be logged when it is read."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Sources that cannot be run, and why."""
    files: int = 0
    """The most open files, connections included, that it needs."""
    adopted: Callable[[], None] = field(default=lambda: None, compare=False)
    """Called in the main thread when the service follows it."""
