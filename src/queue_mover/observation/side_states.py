"""The states of source and target, as read: values only."""

from dataclasses import dataclass

from queue_mover.pgq.schema_version import CURRENT, SchemaState
from queue_mover.pgq.server import TransactionIds


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of a server on either side."""

    standby: bool
    read_only: bool
    """By a setting of the role, the database or the server."""
    encoding: str
    """Of the database."""
    role: str
    """The role that we are connected as."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """The source: its server, the queue, the consumer. Without PgQ the rest is empty."""

    server: ServerState
    has_pgq: bool = False
    queue_exists: bool = False
    may_read: bool = False
    """Whether the role has what PgQ's reader has."""
    registered: bool = False
    identity: str = ""
    """Identifies the queue, its database and its server, for messages and for comparison."""
    unidentified: str = ""
    """The remedy if the server's identity cannot be read."""
    transaction_ids: TransactionIds | None = None
    """None: no such queue."""
    not_granted: tuple[str, ...] = ()
    """Functions that the role may not call, and that its reader may not either."""
    cooperative: bool = False
    """Whether the consumer has subconsumers, or is one."""
    announces: bool = False
    """Whether ticks are announced, see `pgqadm install --notify`."""
    shows_routes: bool = False
    """Whether it can be read which movers write to this database."""
    row_security: tuple[str, ...] = ()
    """Tables of which row-level security hides rows from the role, or may."""


@dataclass(frozen=True, slots=True)
class SplitQueues:
    """The queues of a target that events may name."""

    names: tuple[str, ...]
    closed: tuple[str, ...]
    """Those that take no events, or not from this role by COPY."""
    newest: str
    """The one with the highest transaction ID at its last tick; empty: no queue."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """The target: its server, the queue, the position's table. Without PgQ the rest is empty."""

    server: ServerState
    has_pgq: bool = False
    has_pgq_ext: bool = False
    queue_exists: bool = False
    inserts_disabled: bool = False
    may_copy: bool = False
    may_insert: bool = False
    may_record: bool = False
    remembers: bool = False
    """Whether the schema queue_mover is installed, which records the origins of positions."""
    shares: bool = False
    """Whether it can set the positions of several consumers at once."""
    records_routes: bool = False
    """Whether a mover can record the queue that it writes to."""
    transaction_ids: TransactionIds | None = None
    """None: no such queue."""
    split: SplitQueues | None = None
    """None: all events go to one queue. Else the fields about a queue are about these."""
    may_create: bool = False
    """Whether the role may create queues."""
    row_security: bool = False
    """Whether row-level security of the event tables applies to the role, which forbids COPY."""
    has_origins: bool = False
    """Whether the schema queue_mover exists, of whatever version."""
    schema: SchemaState = CURRENT
    """Its version."""
