"""The values that all packages share: immutable, with next to no behaviour."""

import logging
from dataclasses import dataclass
from enum import Enum
from typing import LiteralString

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]
"""A job's log; in a process with many sources each line names its source."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """Which PgQ a database has: its name, its schema, and the roles named after the schema."""

    name: str
    """For messages."""
    schema: LiteralString

    @property
    def reader(self) -> str:
        """The role that may read batches, and register consumers."""
        return f"{self.schema}_reader"

    @property
    def writer(self) -> str:
        """The role that may insert events."""
        return f"{self.schema}_writer"

    @property
    def admin(self) -> str:
        """The role that may do both, and write to the event tables."""
        return f"{self.schema}_admin"

    def sql(self, statement: LiteralString) -> LiteralString:
        """A statement written with `{pgq}.ticker()`, for this schema."""
        return statement.replace("{pgq}", self.schema)


PGQ = Flavour("PgQ", "pgq")


@dataclass(frozen=True, slots=True)
class Route:
    """Which events one mover moves, and where to."""

    queue: str
    consumer: str
    target_queue: str
    tables: tuple[str, ...] = ()
    """Only events whose ev_extra1 is one of these; empty: all events."""
    source_flavour: Flavour = PGQ
    target_flavour: Flavour = PGQ
    create_target_queue: bool = False
    """Create the target queue at the start where it is missing."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Limits of one batch; the arguments of `pgq.next_batch_custom`."""

    max_events: int = 50_000
    """A batch ends at the tick that reaches this many events; 0: at the next tick."""
    min_events: int = 0
    """Minimum batch size, in events; 0: none. If set, it replaces `max_events`."""
    min_interval: str = ""
    """Minimum batch duration, as a PostgreSQL interval; empty: none."""
    keep_lag: str = ""
    """Stay this PostgreSQL interval behind the newest tick; empty: do not."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a mover may do on its own, and how it writes."""

    auto_register: bool = True
    """Register the consumer at the first start."""
    quarantine: bool = False
    """Quarantine the events that the target rejects, instead of stopping."""
    insert: bool = False
    """Write with `pgq.insert_event` instead of COPY."""
    from_first_tick: bool = False
    """Register at the queue's oldest tick, not at the newest: it is a new queue."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of the source queue, and how to recognise it."""

    id: int
    mark: str
    """Its time and event number: a restored or recreated queue assigns the same IDs again."""

    @property
    def time(self) -> float | None:
        """In seconds since 1970, by the source's clock; None: unknown."""
        try:
            return float(self.mark.partition(" ")[0])
        except ValueError:
            return None

    @property
    def event(self) -> int | None:
        """The event number that the queue had reached; None: unknown."""
        number = self.mark.partition(" ")[2]
        return int(number) if number.isdigit() else None


@dataclass(frozen=True, slots=True)
class Batch:
    """The consumer's active batch on the source: all events between two ticks."""

    id: int
    start: Tick
    end: Tick
    sql: str

    @property
    def span(self) -> int | None:
        """Event numbers between its two ticks: its events, those of rolled-back transactions and
        those of other tables included. None: unknown."""
        first, last = self.start.event, self.end.event
        return None if first is None or last is None else max(0, last - first)


@dataclass(frozen=True, slots=True)
class Position:
    """The last tick of a consumer that the target has, and where it came from."""

    tick: int
    source: str | None = None
    """Identity of the source; None: not recorded."""
    mark: str | None = None
    """The tick's mark; None: not recorded."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A consumer of a source queue, as registered on the source."""

    consumer: str
    tick: int
    """The last tick finished."""
    batch_end: int | None = None
    """The tick that ends its active batch; None: no active batch."""
    waiting: int = 0
    """Events that have a tick and are not finished yet."""
    since_seen: float = 0.0
    """Seconds since it last took or finished a batch."""


class Result(Enum):
    """The result of one attempt to move a batch."""

    MOVED = "moved"
    SKIPPED = "skipped"
    """The target already had this batch: a crash came between the commit and the finish."""
    STALE = "stale"
    """Another mover finished this batch on the source before we reached the target."""
    IDLE = "idle"
    """No tick is waiting."""
    BUSY = "busy"
    """Another mover holds the consumer's lock on the target."""
    WATCHING = "watching"
    """Before the first batch: checking whether the program that set the position still runs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt to move a batch, and how many events were written to the target."""

    result: Result
    count: int = 0
    quarantined: tuple[str, ...] = ()
    """A line about each event that the target rejected."""
    holder: str = ""
    """Who holds the lock, if the result is BUSY."""
