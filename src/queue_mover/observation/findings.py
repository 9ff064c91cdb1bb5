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
    EPOCH = "transaction_ids_behind"
    PAUSED = "ticker_paused"
    INSERTS = "inserts_disabled"
    ROTATION = "rotation"
    CONSUMER = "consumer_not_seen"
    LAG = "consumer_lagging"
    POSITION = "position_gone"
    VERSION = "pgq_version"
    QUARANTINE = "quarantine"
    QUEUE = "queue_missing"
    UNREGISTERED = "consumer_not_registered"
    UNPLACED = "target_position_missing"
    MISFIT = "ticks_do_not_fit"
    UNREADABLE = "unreadable"
    STANDBY = "standby"
    READ_ONLY = "read_only"
    NOT_INSTALLED = "not_installed"
    PRIVILEGE = "privilege_missing"
    IDENTITY = "identity_not_readable"
    SAME_QUEUE = "moved_into_itself"
    INTERVAL = "interval_not_usable"
    FOREIGN = "position_of_another_source"
    LEFT_BEHIND = "consumer_left_behind"
    CONFIG = "config"
    SERVER_VERSION = "server_version"
    ORIGINS = "origins_not_recorded"
    CLOCK = "clock_differs"
    ENCODING = "encodings_differ"
    TIME_ZONE = "time_zone_differs"
    POOLER = "pooler_mode"
    OPEN_FILES = "open_files"
    PIDFILE = "pidfile_not_writable"
    LOGFILE = "logfile_not_writable"
    DISK = "disk_space"


MARKS = {
    Code.TICKER: "T",
    Code.EPOCH: "E",
    Code.PAUSED: "P",
    Code.INSERTS: "I",
    Code.ROTATION: "R",
    Code.CONSUMER: "C",
    Code.LAG: "L",
    Code.POSITION: "X",
    Code.VERSION: "V",
    Code.QUARANTINE: "Q",
    Code.QUEUE: "!",
    Code.UNREGISTERED: "!",
    Code.UNPLACED: "N",
    Code.MISFIT: "X",
    Code.UNREADABLE: "?",
    Code.STANDBY: "!",
    Code.READ_ONLY: "!",
    Code.NOT_INSTALLED: "!",
    Code.PRIVILEGE: "!",
    Code.IDENTITY: "!",
    Code.SAME_QUEUE: "!",
    Code.INTERVAL: "!",
    Code.FOREIGN: "X",
    Code.LEFT_BEHIND: "B",
    Code.CONFIG: "!",
    Code.SERVER_VERSION: "!",
    Code.ORIGINS: "V",
    Code.CLOCK: "!",
    Code.ENCODING: "!",
    Code.TIME_ZONE: "!",
    Code.POOLER: "!",
    Code.OPEN_FILES: "!",
    Code.PIDFILE: "!",
    Code.LOGFILE: "!",
    Code.DISK: "!",
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
    side: str = ""
    """Of a mover: "source" or "target"."""


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
    error: str, place: Place, otherwise: str = "check the server and the connect string"
) -> Finding:
    """What could not be looked at, from the error that said so; `otherwise`: its remedy if none."""
    text, _, remedy = error.partition(REMEDY)
    return Finding(Code.UNREADABLE, place, text, remedy or otherwise, severity=Severity.UNKNOWN)


def exit_code(found: Sequence[Finding]) -> int:
    """0: nothing is wrong; 1: something is; 2: something could not be looked at."""
    if any(finding.severity is Severity.UNKNOWN for finding in found):
        return 2
    return 1 if found else 0


def marks(found: Sequence[Finding]) -> str:
    """The letters of several findings, each once, for one line of a table."""
    return "".join(dict.fromkeys(finding.mark for finding in found))
