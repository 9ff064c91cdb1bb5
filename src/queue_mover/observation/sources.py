"""Read the state of each source in a mover's config, on both sides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from psycopg import conninfo

from queue_mover.config.settings import MoverSettings, consumers_by_route
from queue_mover.errors import QueueMoverError
from queue_mover.model import Position
from queue_mover.observation import activity
from queue_mover.observation.activity import Activity, Process
from queue_mover.observation.database import (
    Consumer,
    Queue,
    read_consumers,
    read_quarantine,
    read_queues,
)
from queue_mover.observation.event_ids import EventIdState, read_event_ids
from queue_mover.observation.left_behind import LeftBehind, read_others
from queue_mover.observation.loops import WayBack, read_ways_back
from queue_mover.observation.side_states import SourceState, TargetState
from queue_mover.observation.sides import read_source, read_target
from queue_mover.pgq import flavours, server, target
from queue_mover.pgq.expressions import BadExpression, unusable_expressions
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database
from queue_mover.postgres.translation import translating_errors
from queue_mover.system.limits import BASE_FILES, FILES_PER_CONNECTION, allow_files

MAX_CONCURRENT = 16
"""Sources read concurrently: one that does not answer must not delay the others. Fewer if the limit
of open files is too low."""

MAX_READS = 5
"""How often to read a source that moves between reading it and reading its target."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source of a mover: the state of both sides, and its position."""

    mover: MoverSettings
    queue: Queue | None = None
    """None: no such queue, or unknown because of `source_error`."""
    consumer: Consumer | None = None
    """None: not registered, or unknown."""
    source: SourceState | None = None
    target: TargetState | None = None
    """None: that side could not be read."""
    same_database: bool = False
    """Whether both sides are the same database; checked if their queues have the same name."""
    unusable_intervals: tuple[str, ...] = ()
    """Of the mover's limits."""
    unusable_expressions: tuple[BadExpression, ...] = ()
    """Of the mover's filter and rewrites."""
    ways_back: tuple[WayBack, ...] = ()
    """Movers that bring its events back into the source queue."""
    keep_lag: float = 0.0
    """The mover's pgq_keep_lag, in seconds."""
    min_interval: float = 0.0
    """The mover's pgq_batch_collect_interval, in seconds; 0: not set."""
    position: Position | None = None
    """The position on the target; None: none, or unknown."""
    left_behind: Mapping[str, LeftBehind] = field(default_factory=dict)
    """Consumers without a mover in the same config that moved this queue to this target."""
    event_ids: EventIdState | None = None
    """None: its mover does not keep event IDs, or unknown."""
    quarantined: int | None = None
    """Quarantined events of this consumer; None: unknown, or not readable by this role."""
    quarantined_since: float | None = None
    """The age of the oldest of them, in seconds."""
    activity: Activity = field(default_factory=Activity)
    """Who runs its mover, and what that does."""
    moving: bool = False
    """It moved while it was read: the two sides need not match."""
    source_error: str = ""
    target_error: str = ""
    """Why a side could not be read."""

    @property
    def name(self) -> str:
        """The source's section, or the job where the file has none."""
        return self.mover.source or self.mover.process.job_name

    @property
    def readable(self) -> bool:
        """Whether both sides could be read."""
        return not (self.source_error or self.target_error)

    @property
    def batch_since(self) -> float | None:
        """Seconds since the active batch was taken; None: there is none."""
        if self.consumer is None or self.consumer.batch is None:
            return None
        return self.consumer.since_seen

    @property
    def fits(self) -> bool:
        """Whether the target's tick matches an end of the source's next batch."""
        if self.consumer is None or self.position is None:
            return True
        ends = {self.consumer.last_tick}
        if self.consumer.batch is not None:
            ends.add(self.consumer.batch_end)
        return self.position.tick in ends


Step = Callable[[Connection, SourceStatus], SourceStatus]
"""Adds to a status what one query or a few read on one side."""


def gather(movers: Sequence[MoverSettings]) -> list[SourceStatus]:
    """Read every source and its target. Errors are recorded, not raised."""
    running = consumers_by_route(movers)
    here = activity.running_here(movers)
    # Each needs two connections, to its source and to its target.
    at_once = (allow_files() - BASE_FILES) / (2 * FILES_PER_CONNECTION)
    with ThreadPoolExecutor(int(max(1, min(MAX_CONCURRENT, at_once)))) as pool:
        return list(
            pool.map(
                lambda mover: _source_status(
                    mover, running[mover.route_key], here.get(mover.process.pidfile)
                ),
                movers,
            )
        )


def _source_status(
    mover: MoverSettings, running: frozenset[str], process: Process | None
) -> SourceStatus:
    """If a step fails, what the ones before it have read is kept."""
    status = SourceStatus(mover, activity=Activity(process))
    try:
        with _session("source", mover.src_db) as src:
            for step in SOURCE_STEPS:
                status = step(src, status)
            try:
                with _session("target", mover.dst_db) as dst:
                    for step in TARGET_STEPS:
                        status = step(dst, status)
                    return _read_both_sides(src, dst, status, running)
            except QueueMoverError as error:
                return replace(status, target_error=str(error))
    except QueueMoverError as error:
        status = replace(status, source_error=str(error))
    try:
        with _session("target", mover.dst_db) as dst:
            for step in TARGET_STEPS:
                status = step(dst, status)
            return status
    except QueueMoverError as error:
        return replace(status, target_error=str(error))


@contextmanager
def _session(side: str, text: str) -> Iterator[Connection]:
    # With the mover's own name, we would be taken for one.
    text = conninfo.make_conninfo(text, application_name="pgqadm")
    database = Database(side, text, "pgqadm")
    try:
        with database.session() as connection:
            yield connection
    finally:
        database.close()


def _find_source_flavour(src: Connection, status: SourceStatus) -> SourceStatus:
    route = flavours.with_source_flavour(src, status.mover.route)
    return replace(status, mover=replace(status.mover, route=route))


def _find_target_flavour(dst: Connection, status: SourceStatus) -> SourceStatus:
    route = flavours.with_target_flavour(dst, status.mover.route)
    return replace(status, mover=replace(status.mover, route=route))


def _read_source_state(src: Connection, status: SourceStatus) -> SourceStatus:
    mover = status.mover
    with translating_errors("source", mover.route.source_flavour):
        return replace(
            status,
            source=read_source(src, mover.route),
            activity=activity.read_source(src, mover, status.activity),
        )


def _read_source_queue(src: Connection, status: SourceStatus) -> SourceStatus:
    mover, state = status.mover, status.source
    if state is None or not state.has_pgq:
        return status
    limits = mover.limits
    unusable = tuple(server.unusable_intervals(src, limits))
    usable = ["" if text in unusable else text for text in (limits.keep_lag, limits.min_interval)]
    row = src.execute(
        "select coalesce(extract(epoch from nullif(%s, '')::interval)::float8, 0),"
        " coalesce(extract(epoch from nullif(%s, '')::interval)::float8, 0)",
        usable,
    ).fetchone()
    assert row is not None
    with translating_errors("source", mover.route.source_flavour):
        queues = read_queues(src, mover.route.queue, mover.route.source_flavour)
        consumer = _consumer(src, mover)
    return replace(
        status,
        queue=queues[0] if queues else None,
        consumer=consumer,
        unusable_intervals=unusable,
        unusable_expressions=tuple(unusable_expressions(src, mover.route)),
        keep_lag=row[0],
        min_interval=row[1],
    )


def _consumer(src: Connection, mover: MoverSettings) -> Consumer | None:
    route = mover.route
    found = read_consumers(src, route.queue, route.consumer, route.source_flavour)
    return found[0] if found else None


def _read_target_state(dst: Connection, status: SourceStatus) -> SourceStatus:
    route = status.mover.route
    with translating_errors("target", route.target_flavour):
        return replace(status, target=read_target(dst, route))


def _with_activity(dst: Connection, status: SourceStatus) -> SourceStatus:
    """First, since a fault of the target may prevent reading the rest."""
    known = activity.read_target(dst, status.mover, status.activity)
    return replace(status, activity=known)


def _with_position(dst: Connection, status: SourceStatus) -> SourceStatus:
    """The position and the quarantine; a role may not be allowed to read them."""
    state = status.target
    if state is None or not state.has_pgq_ext:
        return status
    held = read_quarantine(dst, status.mover.route.consumer)
    return replace(
        status,
        position=target.position(dst, status.mover.route, remembers=state.remembers),
        quarantined=None if held is None else sum(each.events for each in held),
        quarantined_since=held[0].since if held else None,
    )


SOURCE_STEPS: tuple[Step, ...] = (_find_source_flavour, _read_source_state, _read_source_queue)
TARGET_STEPS: tuple[Step, ...] = (
    _with_activity,
    _find_target_flavour,
    _read_target_state,
    _with_position,
)


def _read_both_sides(
    src: Connection, dst: Connection, status: SourceStatus, running: frozenset[str]
) -> SourceStatus:
    """Compare both sides. A source that moves meanwhile is read again."""
    route = status.mover.route
    assert status.source is not None
    assert status.target is not None
    if not (status.source.has_pgq and status.target.has_pgq_ext):
        return status
    remembers = status.target.remembers
    back = read_ways_back(src, dst, route, status.source)
    if identity := status.source.identity:
        others = read_others(src, dst, route, identity, running, remembers=remembers)
        status = replace(status, left_behind=others.left_behind)
    if route.keep_event_id:
        status = replace(status, event_ids=read_event_ids(src, dst, route, status.position))
    status = replace(status, ways_back=tuple(back))
    if route.has_one_name:
        status = replace(status, same_database=server.is_same_database(src, dst, route))
    for _ in range(MAX_READS):
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
