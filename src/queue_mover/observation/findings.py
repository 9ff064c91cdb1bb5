"""What `status` finds: one type for a database, its queues and consumers, and a mover's sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

REMEDY = "; remedy: "
"""What stands between an error and what to do about it."""


class Severity(Enum):
    """How bad it is; the values are part of the JSON shape."""

    PROBLEM = "problem"
    """Events do not move, or soon will not."""
    WARNING = "warning"
    """Events move; somebody has to do something all the same."""
    UNKNOWN = "unknown"
    """Could not be looked at."""


class Code(Enum):
    """What is wrong; the values are part of the JSON shape."""

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
    POSITION_OF_ANOTHER_SOURCE = "position_of_another_source"
    CONSUMER_LEFT_BEHIND = "consumer_left_behind"


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
    Code.POSITION_OF_ANOTHER_SOURCE: "X",
    Code.CONSUMER_LEFT_BEHIND: "B",
}
"""The letter that marks a line of a table, by what is wrong there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wrong; empty: not said, or everywhere."""

    database: str = ""
    source: str = ""
    """Of a mover: its section, or the job where the file has none."""
    queue: str = ""
    consumer: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, since when, and what to do about it."""

    code: Code
    place: Place
    text: str
    remedy: str
    since: float | None = None
    """For how long, in seconds; None: not known."""
    severity: Severity = Severity.PROBLEM

    @property
    def message(self) -> str:
        """What is wrong and what to do about it, in one line."""
        return self.text + REMEDY + self.remedy

    @property
    def mark(self) -> str:
        """The letter in front of a table's line."""
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
    """0: nothing is wrong; 1: something is; 2: something could not be looked at."""
    if any(finding.severity is Severity.UNKNOWN for finding in found):
        return 2
    return 1 if found else 0


def marks(found: Sequence[Finding]) -> str:
    """The letters of several findings, each once, for one line of a table."""
    return "".join(dict.fromkeys(finding.mark for finding in found))
