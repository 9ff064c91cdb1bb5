"""`pgqadm status --movers`: what both sides know about each source of a mover's config."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import NotReadyError, QueueMoverError
from queue_mover.observation.database import (
    Consumer,
    Queue,
    read_consumers,
    read_quarantine,
    read_queues,
)
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database
from queue_mover.postgres.statements import has_function

AT_ONCE = 16
"""Sources asked at the same time: one that does not answer must not keep the others waiting."""

LOOKS = 5
"""How often to look at a source that moves between the look at it and the one at its target."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How far one source has been moved."""

    mover: MoverSettings
    queue: Queue | None = None
    """None: there is none, or `error` says why nobody knows."""
    consumer: Consumer | None = None
    """None: it is not registered, or not known."""
    keep_lag: float = 0.0
    """The mover's pgq_keep_lag, in seconds."""
    min_interval: float = 0.0
    """The mover's pgq_batch_collect_interval, in seconds; 0: not set."""
    position: int | None = None
    """The last tick that the target has; None: it has none, or `error`."""
    quarantined: int | None = None
    """Events of this consumer in quarantine; None: `error`, or not to be seen by this role."""
    quarantined_since: float | None = None
    """The age of the oldest of them, in seconds."""
    moving: bool = False
    """It moved while it was looked at: the two sides need not fit."""
    error: str = ""
    """Why a side could not be looked at; the source is looked at first."""

    @property
    def name(self) -> str:
        """The source's section, or the job where the file has none."""
        return self.mover.source or self.mover.process.job_name

    @property
    def fits(self) -> bool:
        """Whether the target's tick is an end of what the source gives next."""
        if self.consumer is None or self.position is None:
            return True
        ends = {self.consumer.last_tick}
        if self.consumer.batch is not None:
            ends.add(self.consumer.batch_end)
        return self.position in ends


def gather(movers: Sequence[MoverSettings]) -> list[SourceStatus]:
    """Look at every source and its position. What cannot be looked at is told, not raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_source_status, movers))


def _source_status(mover: MoverSettings) -> SourceStatus:
    source = SourceStatus(mover)
    try:
        with _session("source", mover.src_db) as src:
            source = _on_source(src, mover)
            with _session("target", mover.dst_db) as dst:
                return _on_both(src, dst, source)
    except QueueMoverError as error:
        return replace(source, error=str(error))


@contextmanager
def _session(side: str, text: str) -> Iterator[Connection]:
    database = Database(side, text, "pgqadm")
    try:
        with database.session() as connection:
            yield connection
    finally:
        database.close()


def _on_source(src: Connection, mover: MoverSettings) -> SourceStatus:
    _require(src, "pgq.next_batch(text, text)", "source database: PgQ")
    queues = read_queues(src, mover.route.queue)
    limits = mover.limits
    row = src.execute(
        "select coalesce(extract(epoch from nullif(%s, '')::interval)::float8, 0),"
        " coalesce(extract(epoch from nullif(%s, '')::interval)::float8, 0)",
        [limits.keep_lag, limits.min_interval],
    ).fetchone()
    assert row is not None
    return SourceStatus(mover, queues[0] if queues else None, _consumer(src, mover), *row)


def _consumer(src: Connection, mover: MoverSettings) -> Consumer | None:
    found = read_consumers(src, mover.route.queue, mover.route.consumer)
    return found[0] if found else None


def _on_both(src: Connection, dst: Connection, source: SourceStatus) -> SourceStatus:
    _require(dst, "pgq_ext.get_last_tick(text)", "target database: pgq_ext")
    mover = source.mover
    held = read_quarantine(dst, mover.route.consumer)
    source = replace(
        source,
        quarantined=None if held is None else sum(each.events for each in held),
        quarantined_since=held[0].since if held else None,
    )
    for _ in range(LOOKS):
        row = dst.execute("select pgq_ext.get_last_tick(%s)", [mover.route.consumer]).fetchone()
        source = replace(source, position=row[0] if row else None)
        if source.fits:
            return source
        again = _consumer(src, mover)
        if _place(again) == _place(source.consumer):
            return source
        source = replace(source, consumer=again)
    return replace(source, moving=True)


def _place(consumer: Consumer | None) -> tuple[int | None, int | None] | None:
    return (consumer.last_tick, consumer.batch) if consumer else None


def _require(connection: Connection, function: str, part: str) -> None:
    if not has_function(connection, function):
        raise NotReadyError(f"{part} is not installed; remedy: pgqadm.py CONFIG install")
