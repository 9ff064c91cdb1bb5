"""What `status` finds: one type for databases, queues, consumers, and the sources of a mover."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from queue_mover.model import Route

REMEDY = "; remedy: "
"""Separates an error from its remedy."""


class Severity(Enum):
    """The severity of a finding; the values are part of the JSON."""

    PROBLEM = "problem"
    """Events do not move, or soon will not."""
    WARNING = "warning"
    """Events move, but an operator must do something."""
    UNKNOWN = "unknown"
    """Could not be read."""


class Code(Enum):
    """What is wrong; the values are part of the JSON."""

    TICKER = "ticker"
    TRANSACTION_IDS_BEHIND = "transaction_ids_behind"
    TICKER_PAUSED = "ticker_paused"
    INSERTS_DISABLED = "inserts_disabled"
    ROTATION = "rotation"
    CONSUMER_NOT_SEEN = "consumer_not_seen"
    CONSUMER_LAGGING = "consumer_lagging"
    POSITION_GONE = "position_gone"
    PGQ_VERSION = "pgq_version"
    QUARANTINE = "quarantine"
    QUEUE_MISSING = "queue_missing"
    CONSUMER_NOT_REGISTERED = "consumer_not_registered"
    TARGET_POSITION_MISSING = "target_position_missing"
    TICKS_DO_NOT_FIT = "ticks_do_not_fit"
    UNREADABLE = "unreadable"
    STANDBY = "standby"
    READ_ONLY = "read_only"
    NOT_INSTALLED = "not_installed"
    PRIVILEGE_MISSING = "privilege_missing"
    IDENTITY_NOT_READABLE = "identity_not_readable"
    MOVED_INTO_ITSELF = "moved_into_itself"
    INTERVAL_NOT_USABLE = "interval_not_usable"
    EXPRESSION_NOT_USABLE = "expression_not_usable"
    MOVED_IN_A_LOOP = "moved_in_a_loop"
    POSITION_OF_ANOTHER_SOURCE = "position_of_another_source"
    CONSUMER_LEFT_BEHIND = "consumer_left_behind"
    CONSUMER_COOPERATIVE = "consumer_cooperative"
    CONFIG = "config"
    SERVER_VERSION = "server_version"
    ORIGINS_NOT_RECORDED = "origins_not_recorded"
    CLOCK_DIFFERS = "clock_differs"
    ENCODINGS_DIFFER = "encodings_differ"
    TIME_ZONE_DIFFERS = "time_zone_differs"
    POOLER_MODE = "pooler_mode"
    OPEN_FILES = "open_files"
    PIDFILE_NOT_WRITABLE = "pidfile_not_writable"
    LOGFILE_NOT_WRITABLE = "logfile_not_writable"
    DISK_SPACE = "disk_space"
    EVENT_IDS = "event_ids"
    SCHEMA_VERSION = "schema_version"


MARKS = {
    Code.TICKER: "T",
    Code.TRANSACTION_IDS_BEHIND: "E",
    Code.TICKER_PAUSED: "P",
    Code.INSERTS_DISABLED: "I",
    Code.ROTATION: "R",
    Code.CONSUMER_NOT_SEEN: "C",
    Code.CONSUMER_LAGGING: "L",
    Code.POSITION_GONE: "X",
    Code.PGQ_VERSION: "V",
    Code.QUARANTINE: "Q",
    Code.QUEUE_MISSING: "!",
    Code.CONSUMER_NOT_REGISTERED: "!",
    Code.TARGET_POSITION_MISSING: "N",
    Code.TICKS_DO_NOT_FIT: "X",
    Code.UNREADABLE: "?",
    Code.STANDBY: "!",
    Code.READ_ONLY: "!",
    Code.NOT_INSTALLED: "!",
    Code.PRIVILEGE_MISSING: "!",
    Code.IDENTITY_NOT_READABLE: "!",
    Code.MOVED_INTO_ITSELF: "!",
    Code.INTERVAL_NOT_USABLE: "!",
    Code.EXPRESSION_NOT_USABLE: "!",
    Code.MOVED_IN_A_LOOP: "!",
    Code.POSITION_OF_ANOTHER_SOURCE: "X",
    Code.CONSUMER_LEFT_BEHIND: "B",
    Code.CONSUMER_COOPERATIVE: "!",
    Code.CONFIG: "!",
    Code.SERVER_VERSION: "!",
    Code.ORIGINS_NOT_RECORDED: "V",
    Code.CLOCK_DIFFERS: "!",
    Code.ENCODINGS_DIFFER: "!",
    Code.TIME_ZONE_DIFFERS: "!",
    Code.POOLER_MODE: "!",
    Code.OPEN_FILES: "!",
    Code.PIDFILE_NOT_WRITABLE: "!",
    Code.LOGFILE_NOT_WRITABLE: "!",
    Code.DISK_SPACE: "!",
    Code.EVENT_IDS: "!",
    Code.SCHEMA_VERSION: "V",
}
"""The letter that marks a line of a table."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wrong; empty: unknown, or everywhere."""

    database: str = ""
    source: str = ""
    """Of a mover: its section, or the job where the file has none."""
    queue: str = ""
    consumer: str = ""
    side: str = ""
    """Of a mover: "source" or "target"."""


def source_place(route: Route) -> Place:
    """The source queue of a mover, and its consumer."""
    return Place(queue=route.queue, consumer=route.consumer)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, for how long, and the remedy."""

    code: Code
    place: Place
    text: str
    remedy: str
    since: float | None = None
    """For how long, in seconds; None: not known."""
    severity: Severity = Severity.PROBLEM

    @property
    def message(self) -> str:
        """Text and remedy in one line."""
        return self.text + REMEDY + self.remedy

    @property
    def mark(self) -> str:
        """The letter for a line of a table."""
        return MARKS[self.code]


def unreadable(
    error: str, place: Place, default_remedy: str = "check the server and the connect string"
) -> Finding:
    """A place that could not be read, from the error; `default_remedy`: where that has none."""
    text, _, remedy = error.partition(REMEDY)
    return Finding(
        Code.UNREADABLE, place, text, remedy or default_remedy, severity=Severity.UNKNOWN
    )


def exit_code(found: Sequence[Finding]) -> int:
    """0: nothing is wrong; 1: something is; 2: something could not be read."""
    if any(finding.severity is Severity.UNKNOWN for finding in found):
        return 2
    return 1 if found else 0


def marks(found: Sequence[Finding]) -> str:
    """The distinct letters of several findings, for one line of a table."""
    return "".join(dict.fromkeys(finding.mark for finding in found))
