"""`pgqadm status --movers`: one table about all sources of a mover's config."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from queue_mover.admin.tables import columns, duration, number
from queue_mover.config.settings import MoverSettings
from queue_mover.db import Database
from queue_mover.errors import QueueMoverError

AT_ONCE = 16
"""Sources asked at the same time: one that does not answer must not keep the others waiting."""

HEADER = ("", "Source", "Queue", "Consumer", "Lag", "LastSeen", "Pending", "Tick", "Target")

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
    tick: int | None = None
    """The last tick finished on the source."""
    position: int | None = None
    """The last tick that the target has."""
    trouble: str = ""


def gather(movers: Sequence[MoverSettings]) -> list[Standing]:
    """Look at every source and its position. A source in trouble is told, not raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_standing, movers))


def _standing(mover: MoverSettings) -> Standing:
    source = Database("source", mover.src_db, "pgqadm")
    target = Database("target", mover.dst_db, "pgqadm")
    route = mover.route
    try:
        with source.session() as connection:
            row = connection.execute(
                "select extract(epoch from lag)::float8, extract(epoch from last_seen)::float8,"
                " pending_events, last_tick from pgq.get_consumer_info(%s, %s)",
                [route.queue, route.consumer],
            ).fetchone()
        with target.session() as connection:
            found = connection.execute("select pgq_ext.get_last_tick(%s)", [route.consumer])
            position = found.fetchone()
    except QueueMoverError as error:
        return Standing(mover, trouble=str(error))
    finally:
        source.close()
        target.close()
    if row is None:
        return Standing(mover, trouble=f'consumer "{route.consumer}" is not registered')
    lag, last_seen, pending, tick = row
    return Standing(mover, lag, last_seen, pending, tick, position[0] if position else None)


def lines(standings: Sequence[Standing]) -> list[str]:
    """The table, and a line about each source in trouble."""
    rows: list[Sequence[str]] = [HEADER]
    for standing in standings:
        route = standing.mover.route
        behind = bool(standing.pending) and (standing.lag or 0) > BEHIND
        rows.append(
            (
                "!" if standing.trouble else "L" if behind else "",
                _name(standing),
                route.queue,
                route.consumer,
                duration(standing.lag),
                duration(standing.last_seen),
                number(standing.pending),
                _tick(standing.tick),
                _tick(standing.position),
            )
        )
    table = columns(rows, "<<<<>>>>>")
    troubles = [f"  !  {_name(s)}: {s.trouble}" for s in standings if s.trouble]
    waiting = sum(s.pending or 0 for s in standings)
    summary = f"{len(standings)} sources, {waiting} events waiting, {len(troubles)} in trouble."
    return [table[0], "-" * max(map(len, table)), *table[1:], "", *troubles, summary]


def _name(standing: Standing) -> str:
    return standing.mover.source or standing.mover.process.job_name


def _tick(tick: int | None) -> str:
    return "-" if tick is None else str(tick)
