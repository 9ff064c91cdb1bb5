"""The state of a running process, as frozen values that any thread may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

BATCH_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0)
"""Upper bounds, in seconds, by which batches are counted; longer ones come after the last."""


class State(Enum):
    """What a mover is doing; the values are shown to people and used as labels."""

    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    """No events wait."""
    STANDBY = "standby"
    """Another mover holds the consumer's lock."""
    FAILING = "failing"
    """Its last attempt failed; it tries again."""
    STOPPED = "stopped"
    """It has ended, and nothing is moved until a reload or a restart."""


class ErrorKind(Enum):
    """What went wrong, in few kinds: the values are labels."""

    SOURCE = "source_unavailable"
    TARGET = "target_unavailable"
    NOT_READY = "not_ready"
    LOST_POSITION = "lost_position"
    UNLOCKED_MOVER = "unlocked_mover"
    BAD_EVENT = "bad_event"
    CONFIG = "config"
    STATEMENT = "statement"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ErrorSeen:
    """An error, and how often it was seen."""

    kind: ErrorKind
    text: str
    remedy: str
    """Empty if the error names none."""
    last: float
    """When it was last seen: seconds since 1970."""
    times: int = 1


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """A batch that has been moved."""

    events: int
    seconds: float
    ended: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class BatchInProgress:
    """A batch that is being copied."""

    events: int
    """Copied so far."""
    total: int | None
    """About how many events it has; None: unknown, for example with a table_filter."""
    seconds: float
    """Since it began."""


@dataclass(frozen=True, slots=True)
class MoverSnapshot:
    """What one source has done since the process began; times since 1970, in seconds."""

    source: str
    """Its section, or the job where the file has none."""
    state: State
    events: int = 0
    size: int = 0
    """Bytes that COPY has sent to the target."""
    batches: int = 0
    batch_seconds: float = 0.0
    """Of all batches together."""
    batch_counts: tuple[int, ...] = ()
    """Batches by BATCH_SECONDS, and one number more for longer ones; nothing before the first."""
    last_batch: BatchSeen | None = None
    batch: BatchInProgress | None = None
    span: int = 0
    """Event numbers that all batches together have covered, see `Batch.span`."""
    reached: float | None = None
    """Time of the tick that ended the last batch, by the source's clock."""
    last_success: float | None = None
    """When an attempt last ended without an error, with or without a batch."""
    errors: Mapping[ErrorKind, int] = field(default_factory=dict)
    last_errors: tuple[ErrorSeen, ...] = ()
    """Newest first."""
    quarantined: int = 0
    """Events put into quarantine."""
    unanswered: float = 0.0
    """Seconds that the mover has waited for a server to answer."""
    connections: Mapping[str, int] = field(default_factory=dict)
    """Open connections that are this source's alone, by side."""
    rates: tuple[float, ...] = ()
    """Events per period of `history`, oldest first; nothing before the first batch."""


@dataclass(frozen=True, slots=True)
class SharedWork:
    """What sources share on their targets."""

    connections: int = 0
    """Open ones."""
    transactions: int = 0
    """Those that have moved the batches of one or several sources together."""
    batches: int = 0
    """Moved by these transactions."""


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """The state of the process as a whole."""

    job: str
    started: float
    """Seconds since 1970."""
    planned: bool
    """Whether its config has been read, and its sources are known."""
    movers: tuple[MoverSnapshot, ...] = ()
    shared: SharedWork = field(default_factory=SharedWork)
