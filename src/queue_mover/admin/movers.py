"""`pgqadm status --movers`: one table about all sources of a mover's config."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from queue_mover.admin.health import Mark, Problem, judge_queue
from queue_mover.admin.status import Queue, read_queues
from queue_mover.admin.tables import columns, counted, duration, number
from queue_mover.config.settings import MoverSettings
from queue_mover.db import Database
from queue_mover.errors import QueueMoverError

AT_ONCE = 16
"""Sources asked at the same time: one that does not answer must not keep the others waiting."""

HEADER = ("", "Source", "Queue", "Consumer", "Lag", "LastSeen", "Pending", "New", "Tick", "Target")

WITHOUT_TICKS = (Mark.PAUSED, Mark.EPOCH, Mark.TICKER)

BEHIND = 600.0
"""A lag that is marked while events wait, in seconds."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one source has been moved."""

    mover: MoverSettings
    lag: float | None = None
    """Age of the last tick finished, in seconds."""
    last_seen: float | None = None
    """Seconds since the mover was seen."""
    pending: int | None = None
    """Events that have a tick."""
    new: int | None = None
    """Events inserted since the last tick, which no mover can see."""
    tick: int | None = None
    """The last tick finished on the source."""
    position: int | None = None
    """The last tick that the target has."""
    trouble: str = ""
    """Why something could not be read."""
    unticked: tuple[Problem, ...] = ()
    """Why the source queue gets no ticks."""


def gather(movers: Sequence[MoverSettings]) -> list[Standing]:
    """Look at every source and its position. A source in trouble is told, not raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_standing, movers))


def _standing(mover: MoverSettings) -> Standing:
    standing = Standing(mover)
    try:
        standing = _on_source(mover)
        return standing if standing.trouble else replace(standing, position=_on_target(mover))
    except QueueMoverError as error:
        return replace(standing, trouble=str(error))


def _on_source(mover: MoverSettings) -> Standing:
    route = mover.route
    with (
        closing(Database("source", mover.src_db, "pgqadm")) as source,
        source.session() as connection,
    ):
        queues = read_queues(connection, route.queue)
        row = connection.execute(
            "select extract(epoch from lag)::float8, extract(epoch from last_seen)::float8,"
            " pending_events, last_tick from pgq.get_consumer_info(%s, %s)",
            [route.queue, route.consumer],
        ).fetchone()
    if not queues:
        return Standing(mover, trouble=f'there is no queue "{route.queue}"')
    (queue,) = queues
    standing = Standing(mover, new=queue.new_events, unticked=without_ticks(queue))
    if row is None:
        return replace(standing, trouble=f'consumer "{route.consumer}" is not registered')
    lag, last_seen, pending, tick = row
    return replace(standing, lag=lag, last_seen=last_seen, pending=pending, tick=tick)


def _on_target(mover: MoverSettings) -> int | None:
    with (
        closing(Database("target", mover.dst_db, "pgqadm")) as target,
        target.session() as connection,
    ):
        found = connection.execute("select pgq_ext.get_last_tick(%s)", [mover.route.consumer])
        row = found.fetchone()
    return row[0] if row else None


def without_ticks(queue: Queue) -> tuple[Problem, ...]:
    """What keeps a mover from getting what is in the queue, by the rules of `status`."""
    return tuple(p for p in judge_queue(queue, ()) if p.mark in WITHOUT_TICKS)


def lines(standings: Sequence[Standing]) -> list[str]:
    """The table, and a line about each thing that is wrong with a source."""
    rows: list[Sequence[str]] = [HEADER]
    for standing in standings:
        route = standing.mover.route
        rows.append(
            (
                _marks(standing),
                _name(standing),
                route.queue,
                route.consumer,
                duration(standing.lag),
                duration(standing.last_seen),
                number(standing.pending),
                number(standing.new),
                _tick(standing.tick),
                _tick(standing.position),
            )
        )
    table = columns(rows, "<<<<>>>>>>")
    troubles = [line for standing in standings for line in _troubles(standing)]
    waiting = sum((s.pending or 0) + (s.new or 0) for s in standings)
    in_trouble = sum(bool(s.trouble or s.unticked) for s in standings)
    summary = (
        f"{counted(len(standings), 'source')}, {counted(waiting, 'event')} waiting,"
        f" {in_trouble} in trouble."
    )
    return [table[0], "-" * max(map(len, table)), *table[1:], "", *troubles, summary]


def _marks(standing: Standing) -> str:
    behind = bool(standing.pending) and (standing.lag or 0) > BEHIND
    unticked = "".join(problem.mark.value for problem in standing.unticked)
    return ("!" if standing.trouble else "") + unticked + ("L" if behind else "")


def _troubles(standing: Standing) -> list[str]:
    name = _name(standing)
    told = [f"  !  {name}: {standing.trouble}"] if standing.trouble else []
    return told + [
        f"  {problem.mark.value}  {name}: {problem.text}; remedy: {problem.remedy}"
        for problem in standing.unticked
    ]


def _name(standing: Standing) -> str:
    return standing.mover.source or standing.mover.process.job_name


def _tick(tick: int | None) -> str:
    return "-" if tick is None else str(tick)
