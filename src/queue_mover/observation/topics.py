"""The topics of `queue_mover3 --check`: which findings belong to each, and what each requires.

A finding whose code no topic names is shown under `other`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from queue_mover.observation.environment_findings import Surroundings
from queue_mover.observation.findings import Code, Finding
from queue_mover.observation.formatting import counted, duration, size
from queue_mover.observation.host import Host
from queue_mover.observation.split_target import queues_in_words
from queue_mover.postgres.conninfo import describe
from queue_mover.postgres.pooler import Pooler


class Need(Enum):
    """What a topic requires; the values are the notes where it is missing."""

    SOURCE = "the source cannot be read"
    TARGET = "the target cannot be read"
    SOURCE_PGQ = "the source has no PgQ"
    TARGET_PGQ = "the target has no PgQ"
    SOURCE_QUEUE = "no queue on the source"
    TARGET_QUEUE = "no target queue to check"


SIDES = (Need.SOURCE, Need.TARGET)
BOTH_PGQ = (*SIDES, Need.SOURCE_PGQ, Need.TARGET_PGQ)


@dataclass(frozen=True, slots=True)
class SourceTopic:
    """A topic that is checked for each source."""

    key: str
    """Its key in the JSON."""
    title: str
    codes: tuple[Code, ...]
    facts: Callable[[Surroundings], str]
    """The note where nothing is wrong."""
    needs: tuple[Need, ...] = ()
    side: str = ""
    """The topic is about this side only."""

    def covers(self, finding: Finding) -> bool:
        """Whether a finding belongs to this topic."""
        its_side = finding.place.side or "source"
        return finding.code in self.codes and self.side in ("", its_side)


@dataclass(frozen=True, slots=True)
class HostTopic:
    """A topic about the process and its machine."""

    key: str
    title: str
    codes: tuple[Code, ...]
    facts: Callable[[Host], str]


def missing(topic: SourceTopic, found: Surroundings) -> str:
    """Why a topic could not be checked; empty: it could."""
    absent = _absent(found)
    return next((need.value for need in topic.needs if need in absent), "")


def _absent(found: Surroundings) -> set[Need]:
    status = found.status
    source, target = status.source, status.target
    present = {
        Need.SOURCE: found.source is not None and source is not None,
        Need.TARGET: found.target is not None and target is not None,
        Need.SOURCE_PGQ: source is not None and source.has_pgq,
        Need.TARGET_PGQ: found.target is not None and found.target.schemas.pgq_is_installed,
        Need.SOURCE_QUEUE: found.source is not None and found.source.queue is not None,
        Need.TARGET_QUEUE: found.target is not None and found.target.queue is not None,
    }
    return {need for need, is_there in present.items() if not is_there}


def _versions(found: Surroundings) -> str:
    return " to ".join(f"PostgreSQL {side.environment.server.postgresql}" for side in found.sides)


def _pgq(found: Surroundings) -> str:
    words = [
        f"{side.flavour.name} {side.environment.schemas.pgq or 'of unknown version'} on the"
        f" {side.name}"
        for side in found.sides
    ]
    if found.target and found.target.schemas.pgq_ext:
        schemas = found.target.schemas
        whose = "queue_mover's" if schemas.pgq_ext_is_ours else "not queue_mover's"
        words.append(f"pgq_ext {schemas.pgq_ext} ({whose})")
    if (target := found.status.target) and target.has_origins:
        words.append(f"schema queue_mover {target.schema.version or 'of unknown version'}")
    return ", ".join(words)


def _queues(found: Surroundings) -> str:
    route = found.status.mover.route
    if (target := found.status.target) and target.split:
        return f"{route.queue} {route.target_queue} to {queues_in_words(target.split)}"
    return f"{route.queue} to {route.target_queue}"


def _roles(found: Surroundings) -> str:
    status = found.status
    states = (("source", status.source), ("target", status.target))
    return ", ".join(f"{state.server.role} on the {side}" for side, state in states if state)


def _registration(found: Surroundings) -> str:
    status = found.status
    name, consumer, position = status.mover.route.consumer, status.consumer, status.position
    if consumer is None:
        return ""
    tick = f"tick {position.tick} on the target" if position else "no batch moved yet"
    pending = counted(consumer.pending or 0, "event")
    return f'"{name}" at tick {consumer.last_tick} on the source, {tick}, {pending} waiting'


def _no_facts(found: Surroundings) -> str:
    return ""


def _source_ticker(found: Surroundings) -> str:
    return _ticker(found, "source")


def _target_ticker(found: Surroundings) -> str:
    return _ticker(found, "target")


def _ticker(found: Surroundings, name: str) -> str:
    queues = [side.environment.queue for side in found.sides if side.name == name]
    if not queues or queues[0] is None:
        return ""
    if queues[0].external_ticker:
        return "external"
    return f"last tick {duration(queues[0].since_tick)} ago"


def _rotation(found: Surroundings) -> str:
    return ", ".join(
        f"{side.name} {duration(side.environment.queue.since_rotation)} ago, every"
        f" {duration(side.environment.queue.rotation_period)}"
        for side in found.sides
        if side.environment.queue
    )


def _clocks(found: Surroundings) -> str:
    return ", ".join(
        f"{side.name} off by {duration(round(side.environment.clock.most, 3))} at most"
        for side in found.sides
    )


def _encodings(found: Surroundings) -> str:
    status = found.status
    states = [state.server.encoding for state in (status.source, status.target) if state]
    return " to ".join(states)


def _time_zones(found: Surroundings) -> str:
    return " to ".join(side.environment.server.time_zone for side in found.sides)


_POOLERS = {
    Pooler.NONE: "none",
    Pooler.SESSION: "PgBouncer or similar, session mode",
    Pooler.TRANSACTION: "PgBouncer or similar, transaction mode",
}


def _poolers(found: Surroundings) -> str:
    words = [f"{side.name} {_POOLERS.get(side.environment.pooler, '?')}" for side in found.sides]
    return ", ".join(words)


def _source_place(found: Surroundings) -> str:
    return describe(found.status.mover.src_db)


def _target_place(found: Surroundings) -> str:
    return describe(found.status.mover.dst_db)


_UNREACHED = (Code.UNREADABLE, Code.STANDBY, Code.READ_ONLY)
_IN_CIRCLES = (Code.MOVED_INTO_ITSELF, Code.MOVED_IN_A_LOOP)
_UNTICKED = (Code.TICKER, Code.TICKER_PAUSED, Code.TRANSACTION_IDS_BEHIND)

SOURCE_TOPICS: tuple[SourceTopic, ...] = (
    SourceTopic("source_database", "source database", _UNREACHED, _source_place, side="source"),
    SourceTopic("target_database", "target database", _UNREACHED, _target_place, side="target"),
    SourceTopic("versions", "versions", (Code.SERVER_VERSION,), _versions, SIDES),
    SourceTopic(
        "pgq",
        "PgQ and pgq_ext",
        (Code.NOT_INSTALLED, Code.PGQ_VERSION, Code.ORIGINS_NOT_RECORDED, Code.SCHEMA_VERSION),
        _pgq,
        SIDES,
    ),
    SourceTopic(
        "queues",
        "queues",
        (Code.QUEUE_MISSING, Code.INSERTS_DISABLED, *_IN_CIRCLES, Code.EVENT_IDS),
        _queues,
        BOTH_PGQ,
    ),
    SourceTopic(
        "privileges",
        "privileges",
        (Code.PRIVILEGE_MISSING, Code.IDENTITY_NOT_READABLE),
        _roles,
        BOTH_PGQ,
    ),
    SourceTopic(
        "registration",
        "registration and position",
        (
            Code.CONSUMER_NOT_REGISTERED,
            Code.CONSUMER_COOPERATIVE,
            Code.TARGET_POSITION_MISSING,
            Code.TICKS_DO_NOT_FIT,
            Code.POSITION_OF_ANOTHER_SOURCE,
            Code.POSITION_GONE,
            Code.CONSUMER_NOT_SEEN,
            Code.CONSUMER_LAGGING,
        ),
        _registration,
        (*BOTH_PGQ, Need.SOURCE_QUEUE),
    ),
    SourceTopic(
        "left_behind",
        "consumers left behind",
        (Code.CONSUMER_LEFT_BEHIND,),
        _no_facts,
        (*BOTH_PGQ, Need.SOURCE_QUEUE),
    ),
    SourceTopic(
        "source_ticker",
        "source ticker",
        _UNTICKED,
        _source_ticker,
        (Need.SOURCE, Need.SOURCE_PGQ, Need.SOURCE_QUEUE),
        "source",
    ),
    SourceTopic(
        "target_ticker",
        "target ticker",
        _UNTICKED,
        _target_ticker,
        (Need.TARGET, Need.TARGET_PGQ, Need.TARGET_QUEUE),
        "target",
    ),
    SourceTopic(
        "rotation",
        "rotation",
        (Code.ROTATION,),
        _rotation,
        (*BOTH_PGQ, Need.SOURCE_QUEUE, Need.TARGET_QUEUE),
    ),
    SourceTopic("clock", "clocks", (Code.CLOCK_DIFFERS,), _clocks, SIDES),
    SourceTopic("encodings", "encodings", (Code.ENCODINGS_DIFFER,), _encodings, SIDES),
    SourceTopic("time_zone", "time zones", (Code.TIME_ZONE_DIFFERS,), _time_zones, SIDES),
    SourceTopic("pooler", "pooler", (Code.POOLER_MODE,), _poolers, SIDES),
)


def _open_files(host: Host) -> str:
    allowed = "any number" if host.allowed_files == float("inf") else f"{host.allowed_files:.0f}"
    return f"{host.needed_files} needed, {allowed} allowed"


def _files(host: Host) -> str:
    words = [f"{file.key} {file.path}" for file in host.files]
    if host.pid is not None:
        words.append(f"running with pid {host.pid}")
    return ", ".join(words) or "none set"


def _disk(host: Host) -> str:
    return ", ".join(
        f"{size(file.free)} free for the {file.key}" for file in host.files if file.free is not None
    )


_CONFIG = (Code.CONFIG, Code.INTERVAL_NOT_USABLE, Code.EXPRESSION_NOT_USABLE)
CONFIG = HostTopic("config", "config", _CONFIG, lambda host: "")

HOST_TOPICS: tuple[HostTopic, ...] = (
    HostTopic("open_files", "open files", (Code.OPEN_FILES,), _open_files),
    HostTopic(
        "files", "pidfile and log", (Code.PIDFILE_NOT_WRITABLE, Code.LOGFILE_NOT_WRITABLE), _files
    ),
    HostTopic("disk", "disk space", (Code.DISK_SPACE,), _disk),
)

OTHER_KEY, OTHER_TITLE = "other", "other"
