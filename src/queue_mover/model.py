"""The values that travel between the floors; frozen, and next to no behaviour."""

import logging
from dataclasses import dataclass
from enum import Enum
from typing import LiteralString

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]
"""A job's log; where a process has many sources, lines name theirs."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """Which PgQ a database has: what it is called, its schema, and the roles named after that."""

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
        """The role that may do all of it, and write into the event tables."""
        return f"{self.schema}_admin"

    def sql(self, statement: LiteralString) -> LiteralString:
        """A statement that says `{pgq}.ticker()`, for this schema."""
        return statement.replace("{pgq}", self.schema)


PGQ = Flavour("PgQ", "pgq")


@dataclass(frozen=True, slots=True)
class Route:
    """Which events go where: what one mover is about."""

    queue: str
    consumer: str
    target_queue: str
    tables: tuple[str, ...] = ()
    """Only events whose ev_extra1 is one of these; empty: all events."""
    source_flavour: Flavour = PGQ
    target_flavour: Flavour = PGQ


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much one batch may span; the arguments of `pgq.next_batch_custom`."""

    max_events: int = 50_000
    """A batch ends at the tick that reaches this many events; 0: at the next tick."""
    min_events: int = 0
    """Smallest batch worth taking, in events; 0: any. Set, it replaces `max_events`."""
    min_interval: str = ""
    """Smallest batch worth taking, as a PostgreSQL interval; empty: any."""
    keep_lag: str = ""
    """Stay this PostgreSQL interval behind the head; empty: do not."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a mover may do without being asked, and how it writes."""

    auto_register: bool = True
    """Register the consumer at the first start."""
    quarantine: bool = False
    """Keep aside the events that the target cannot take, instead of stopping."""
    insert: bool = False
    """Write with `pgq.insert_event` instead of COPY."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of the source queue, and by what to know it again."""

    id: int
    mark: str
    """Its time and event number: a restored or recreated queue counts the same ids anew."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The consumer's active batch on the source: all events between two ticks."""

    id: int
    start: Tick
    end: Tick
    sql: str


@dataclass(frozen=True, slots=True)
class Position:
    """The last tick that the target has of a consumer, and where it came from."""

    tick: int
    source: str | None = None
    """Identity of the source; None: not recorded."""
    mark: str | None = None
    """The tick's mark; None: not recorded."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A consumer of a source queue, as the source knows it."""

    consumer: str
    tick: int
    """The last tick finished."""
    batch_end: int | None = None
    """The tick that ends its active batch; None: it has none."""
    waiting: int = 0
    """Events that have a tick and are not finished."""
    since_seen: float = 0.0
    """Seconds since it last took or finished a batch."""


class Result(Enum):
    """What became of one attempt to move a batch."""

    MOVED = "moved"
    SKIPPED = "skipped"
    """The target had this batch already: a crash came between its commit and the finish."""
    STALE = "stale"
    """A partner finished this batch on the source while we were on our way to the target."""
    IDLE = "idle"
    """No tick waits."""
    BUSY = "busy"
    """Another mover holds the consumer's lock on the target."""
    WATCHING = "watching"
    """Before the first batch: does whoever left the position still move this queue?"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt to move a batch, and how many events entered the target."""

    result: Result
    count: int = 0
    quarantined: tuple[str, ...] = ()
    """A line about each event that the target could not take."""
    holder: str = ""
    """Who holds the lock, where the result is BUSY."""
