"""What both sides know about each source of a mover's config."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from psycopg import conninfo

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import QueueMoverError
from queue_mover.model import Flavour, Position
from queue_mover.observation import activity
from queue_mover.observation.activity import Activity, Process
from queue_mover.observation.database import (
    Consumer,
    Queue,
    read_consumers,
    read_quarantine,
    read_queues,
)
from queue_mover.observation.left_behind import LeftBehind, read_left_behind
from queue_mover.observation.sides import SourceState, TargetState, read_source, read_target
from queue_mover.pgq import server, target
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.conninfo import location
from queue_mover.postgres.database import Database
from queue_mover.system.limits import BASE_FILES, FILES_PER_CONNECTION, allow_files

AT_ONCE = 16
"""Sources asked at the same time: one that does not answer must not keep the others waiting.
Fewer where too few files may be open."""

LOOKS = 5
"""How often to look at a source that moves between the look at it and the one at its target."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source of a mover: both sides, and how far it has been moved."""

    mover: MoverSettings
    queue: Queue | None = None
    """None: there is none, or `source_error` says why nobody knows."""
    consumer: Consumer | None = None
    """None: it is not registered, or not known."""
    source: SourceState | None = None
    target: TargetState | None = None
    """None: that side could not be asked."""
    same_database: bool = False
    """Whether both sides are one database; asked where their queues have the same name."""
    unusable_intervals: tuple[str, ...] = ()
    """Of the mover's limits."""
    keep_lag: float = 0.0
    """The mover's pgq_keep_lag, in seconds."""
    min_interval: float = 0.0
    """The mover's pgq_batch_collect_interval, in seconds; 0: not set."""
    position: Position | None = None
    """What the target has; None: it has none, or is not known."""
    left_behind: Mapping[str, LeftBehind] = field(default_factory=dict)
    """Consumers without a mover in the same config that moved this queue to this target."""
    quarantined: int | None = None
    """Events of this consumer in quarantine; None: not known, or not to be seen by this role."""
    quarantined_since: float | None = None
    """The age of the oldest of them, in seconds."""
    activity: Activity = field(default_factory=Activity)
    """Who runs its mover, and what that does."""
    moving: bool = False
    """It moved while it was looked at: the two sides need not fit."""
    source_error: str = ""
    target_error: str = ""
    """Why a side could not be asked."""

    @property
    def name(self) -> str:
        """The source's section, or the job where the file has none."""
        return self.mover.source or self.mover.process.job_name

    @property
    def readable(self) -> bool:
        """Whether both sides could be asked."""
        return not (self.source_error or self.target_error)

    @property
    def batch_since(self) -> float | None:
        """Seconds since the active batch was taken; None: there is none."""
        if self.consumer is None or self.consumer.batch is None:
            return None
        return self.consumer.since_seen

    @property
    def fits(self) -> bool:
        """Whether the target's tick is an end of what the source gives next."""
        if self.consumer is None or self.position is None:
            return True
        ends = {self.consumer.last_tick}
        if self.consumer.batch is not None:
            ends.add(self.consumer.batch_end)
        return self.position.tick in ends


def gather(movers: Sequence[MoverSettings]) -> list[SourceStatus]:
    """Look at every source and its target. What cannot be looked at is told, not raised."""
    running: dict[tuple[str, ...], frozenset[str]] = {}
    for mover in movers:
        way = _way(mover)
        running[way] = running.get(way, frozenset()) | {mover.route.consumer}
    here = activity.running_here(movers)
    # Each has two connections, to its source and to its target.
    at_once = (allow_files() - BASE_FILES) / (2 * FILES_PER_CONNECTION)
    with ThreadPoolExecutor(int(max(1, min(AT_ONCE, at_once)))) as pool:
        return list(
            pool.map(
                lambda mover: _source_status(
                    mover, running[_way(mover)], here.get(mover.process.pidfile)
                ),
                movers,
            )
        )


def _way(mover: MoverSettings) -> tuple[str, ...]:
    """From which queue of which database to which database."""
    return (*location(mover.src_db), mover.route.queue, *location(mover.dst_db))


def _source_status(
    mover: MoverSettings, running: frozenset[str], process: Process | None
) -> SourceStatus:
    status = SourceStatus(mover, activity=Activity(process))
    try:
        with _session("source", mover.src_db, mover.route.source_flavour) as src:
            status = _on_source(src, status)
            try:
                with _session("target", mover.dst_db, mover.route.target_flavour) as dst:
                    status = _with_activity(dst, status)
                    status = _on_target(dst, status)
                    return _on_both(src, dst, status, running)
            except QueueMoverError as error:
                return replace(status, target_error=str(error))
    except QueueMoverError as error:
        status = replace(status, source_error=str(error))
    try:
        with _session("target", mover.dst_db, mover.route.target_flavour) as dst:
            status = _with_activity(dst, status)
            return _on_target(dst, status)
    except QueueMoverError as error:
        return replace(status, target_error=str(error))


@contextmanager
def _session(side: str, text: str, flavour: Flavour) -> Iterator[Connection]:
    # With the mover's own name, we would be taken for one.
    text = conninfo.make_conninfo(text, application_name="pgqadm")
    database = Database(side, text, "pgqadm", flavour=flavour)
    try:
        with database.session() as connection:
            yield connection
    finally:
        database.close()


def _on_source(src: Connection, status: SourceStatus) -> SourceStatus:
    mover = status.mover
    state = read_source(src, mover.route)
    status = replace(status, activity=activity.read_source(src, mover, status.activity))
    if not state.has_pgq:
        return replace(status, source=state)
    limits = mover.limits
    unusable = tuple(server.unusable_intervals(src, limits))
    usable = ["" if text in unusable else text for text in (limits.keep_lag, limits.min_interval)]
    row = src.execute(
        "select coalesce(extract(epoch from nullif(%s, '')::interval)::float8, 0),"
        " coalesce(extract(epoch from nullif(%s, '')::interval)::float8, 0)",
        usable,
    ).fetchone()
    assert row is not None
    queues = read_queues(src, mover.route.queue, mover.route.source_flavour)
    return replace(
        status,
        source=state,
        queue=queues[0] if queues else None,
        consumer=_consumer(src, mover),
        unusable_intervals=unusable,
        keep_lag=row[0],
        min_interval=row[1],
    )


def _consumer(src: Connection, mover: MoverSettings) -> Consumer | None:
    route = mover.route
    found = read_consumers(src, route.queue, route.consumer, route.source_flavour)
    return found[0] if found else None


def _with_activity(dst: Connection, status: SourceStatus) -> SourceStatus:
    """First, since what ails the target may keep the rest from being read."""
    known = activity.read_target(dst, status.mover, status.activity)
    return replace(status, activity=known)


def _on_target(dst: Connection, status: SourceStatus) -> SourceStatus:
    mover = status.mover
    state = read_target(dst, mover.route)
    if not state.has_pgq_ext:
        return replace(status, target=state)
    held = read_quarantine(dst, mover.route.consumer)
    return replace(
        status,
        target=state,
        position=target.position(dst, mover.route, remembers=state.remembers),
        quarantined=None if held is None else sum(each.events for each in held),
        quarantined_since=held[0].since if held else None,
    )


def _on_both(
    src: Connection, dst: Connection, status: SourceStatus, running: frozenset[str]
) -> SourceStatus:
    """What only both together can tell. A source that moves meanwhile is looked at again."""
    route = status.mover.route
    assert status.source is not None
    assert status.target is not None
    if not (status.source.has_pgq and status.target.has_pgq_ext):
        return status
    remembers = status.target.remembers
    if status.source.identity:
        behind = read_left_behind(
            src, dst, route, status.source.identity, running, remembers=remembers
        )
        status = replace(status, left_behind=behind)
    if route.queue == route.target_queue:
        status = replace(status, same_database=server.is_same_database(src, dst, route))
    for _ in range(LOOKS):
        if status.fits:
            return status
        again = _consumer(src, status.mover)
        if _place(again) == _place(status.consumer):
            return status
        position = target.position(dst, route, remembers=remembers)
        status = replace(status, consumer=again, position=position)
    return replace(status, moving=True)


def _place(consumer: Consumer | None) -> tuple[int | None, int | None] | None:
    return (consumer.last_tick, consumer.batch) if consumer else None
