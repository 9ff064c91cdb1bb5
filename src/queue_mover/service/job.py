"""What the service runs: a job makes one step at a time and leaves time to the service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from queue_mover.config.settings import ProcessSettings


@dataclass(frozen=True, slots=True)
class Step:
    """What one step came to."""

    worked: bool
    """Whether there may be more to do at once; otherwise the service sleeps for loop_delay."""
    count: int | None = None
    """Events moved, where the step was a batch."""
    quarantined: int = 0
    """Events that the target could not take."""
    waits: bool = False
    """Whether somebody else is at the work: there is more to do, but not now and not for us."""
    size: int = 0
    """Bytes of the batch, where known."""
    again_in: float = 0
    """Seconds until the next step, whatever the settings say; 0: as they say."""


class Job(Protocol):
    """One source queue to move, or one database to tick."""

    def prepare(self) -> None:
        """Make sure that a step can be made; cheap where that is known. Raises as `step`."""

    def step(self) -> Step:
        """Do one piece of work. Raises a QueueMoverError; the service decides about another."""

    def stop(self) -> None:
        """From another thread: begin nothing more; raise StoppingError instead."""

    def finish(self) -> None:
        """The service is stopping: leave things in order."""

    def close(self) -> None:
        """Close connections."""

    def waiting_since(self) -> float | None:
        """From another thread: since when, on the monotonic clock, a server owes an answer."""

    def connections(self) -> Mapping[str, int]:
        """From another thread: how many connections of its own are open, by side."""

    def abandon(self) -> None:
        """From another thread: make the running step fail now, rolled back."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job to be, with everything that makes it what it is: a change means a new job."""

    source: str
    """Name of the source in the log; "" where there is but one."""
    settings: object
    process: ProcessSettings
    make: Callable[[], Job] = field(compare=False)
    target: str = ""
    """The target that it may share with other sources, in words for the log; "" if it is alone."""
    idle_lines: bool = True
    """Whether a time without batches is worth a statistics line; not where none are expected."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a config asks for."""

    specs: tuple[JobSpec, ...]
    refresh: float = 0
    """Seconds between looks for other sources; 0: none."""
    title: str = ""
    """What it is, in words for the first line of the log."""
    warnings: tuple[str, ...] = ()
    """What the config's reader should know."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Sources that cannot be run as they are written, and why."""
    files: int = 0
    """Open files, connections included, that it takes at most."""
    adopted: Callable[[], None] = field(default=lambda: None, compare=False)
    """Called in the main thread when the service follows it."""
