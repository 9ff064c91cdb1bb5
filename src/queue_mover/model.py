"""The values that all packages share: immutable, with next to no behaviour."""

import logging
from dataclasses import dataclass
from enum import Enum
from hashlib import md5
from typing import LiteralString

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]
"""A job's log; in a process with many sources each line names its source."""


LONGEST_CHANNEL = 63
"""Bytes of a PostgreSQL identifier."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """Which PgQ a database has: its name, its schema, and the roles named after the schema."""

    name: str
    """For messages."""
    schema: LiteralString
    tick_xmin: LiteralString = "txid_snapshot_xmin(t.tick_snapshot)"
    tick_xmax: LiteralString = "txid_snapshot_xmax(t.tick_snapshot)"
    """For a row t of the table of ticks, as bigint: the oldest transaction ID still in progress,
    and the first one not yet assigned."""
    is_cooperative: LiteralString = "false"
    """For a row s of the table of subscriptions: whether subconsumers share the consumer's events,
    so that `next_batch_custom` refuses it."""
    longest_queue_name: int | None = None
    """In bytes; None: no limit."""
    takes_zero: bool = True
    """Whether a queue may have the setting 0."""
    announces_ticks: bool = False
    """Whether its ticker announces each tick, without `pgqadm install --notify`."""

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

    def tick_channel(self, queue: str) -> str:
        """The channel on which the ticks of a queue are announced; a name of 63 bytes at most."""
        name = queue.encode()
        long = len(name) > LONGEST_CHANNEL - len(self.schema) - 1
        return f"{self.schema}_{md5(name, usedforsecurity=False).hexdigest() if long else queue}"

    def sql(self, statement: LiteralString) -> LiteralString:
        """A statement written with `{pgq}.ticker()`, `{tick_xmin}`, `{tick_xmax}` and
        `{is_cooperative}`, for this flavour."""
        return (
            statement.replace("{tick_xmin}", self.tick_xmin)
            .replace("{tick_xmax}", self.tick_xmax)
            .replace("{is_cooperative}", self.is_cooperative)
            .replace("{pgq}", self.schema)
        )

    def allows(self, queue: str) -> bool:
        """Whether a queue may have this name."""
        longest = self.longest_queue_name
        return longest is None or len(queue.encode()) <= longest


PGQ = Flavour("PgQ", "pgq")
PGQUE = Flavour(
    "PgQue",
    "pgque",
    tick_xmin="pg_snapshot_xmin(t.tick_snapshot)::text::bigint",
    tick_xmax="pg_snapshot_xmax(t.tick_snapshot)::text::bigint",
    # As JSON: PgQue of before 0.2 has no roles of subscriptions.
    is_cooperative="""exists (
        select from {pgq}.subscription m
         where m.sub_queue = s.sub_queue and m.sub_id = s.sub_id
           and to_jsonb(m)->>'sub_role' = 'coop_member')""",
    longest_queue_name=57,
    takes_zero=False,
    announces_ticks=True,
)
FLAVOURS = (PGQ, PGQUE)


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
    split_field: str = ""
    """The column whose text names the target queue of each event; `target_queue` is then words for
    messages. Empty: all events go to `target_queue`."""
    finds_source_flavour: bool = False
    finds_target_flavour: bool = False
    """Whether the flavour of that side is found on connecting: the config does not set it."""
    keep_event_id: bool = False
    """Events have the same ID on the target as on the source."""
    event_filter: str = ""
    """An SQL condition over the source's columns; only events that meet it. Empty: all events."""
    rewrite: tuple[tuple[str, str], ...] = ()
    """Columns of the target, each with an SQL expression over the source's columns."""
    create_target_queue: bool = False
    """Create the target queue at the start where it is missing."""

    @property
    def has_one_name(self) -> bool:
        """Whether, in one database, source and target would be the same queue."""
        return self.queue == self.target_queue and self.source_flavour == self.target_flavour

    @property
    def is_filtered(self) -> bool:
        """Whether some events of the queue may not be moved."""
        return bool(self.tables or self.event_filter)

    @property
    def expressions(self) -> tuple[tuple[str, str], ...]:
        """The SQL expressions, each with the key that sets it."""
        condition = (("event_filter", self.event_filter),) if self.event_filter else ()
        return (*condition, *self.rewrite)


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
