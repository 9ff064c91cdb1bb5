"""Movers that bring the events of a target queue back into the source queue: a loop.

Seen where the source database is itself a target whose schema queue_mover records who writes to
it. A loop over three databases is not seen: no database has both ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from queue_mover.model import Route
from queue_mover.observation.findings import Code, Finding, Severity, source_place
from queue_mover.observation.side_states import SourceState
from queue_mover.observation.sides import read_source
from queue_mover.pgq import source
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors


@dataclass(frozen=True, slots=True)
class WayBack:
    """A consumer of the target queue whose mover writes to the source queue."""

    consumer: str
    source: str
    """Identity of the queue that it reads."""
    queue: str | None
    """The queue that it writes to; None: not recorded, so it may be another one."""
    filtered: bool | None
    """Whether it has a filter; None: not recorded."""


def read_ways_back(
    src: Connection, dst: Connection, route: Route, state: SourceState
) -> list[WayBack]:
    """The consumers that bring events back. One that is not registered any more does not."""
    if not state.shows_routes:
        return []
    with translating_errors("source", route.source_flavour):
        recorded = _recorded(src, route.queue, None)
        if not recorded:
            return []
    with translating_errors("target", route.target_flavour):
        back = Route(route.target_queue, "", "", source_flavour=route.target_flavour)
        identity = read_source(dst, back).identity
        registered = {each.consumer for each in source.registrations(dst, back)}
    with translating_errors("source", route.source_flavour):
        found = _recorded(src, route.queue, identity)
    return [each for each in found if each.consumer in registered]


def _recorded(src: Connection, queue: str, identity: str | None) -> list[WayBack]:
    """What is recorded about movers that write to a queue; without an identity, one of them."""
    with src.cursor(row_factory=class_row(WayBack)) as cursor:
        return cursor.execute(
            "select * from queue_mover.consumers_into(%(queue)s)"
            " where %(identity)s::text is null or source = %(identity)s::text"
            " order by consumer limit case when %(identity)s::text is null then 1 end",
            {"queue": queue, "identity": identity},
        ).fetchall()


def loop_findings(route: Route, ways_back: Sequence[WayBack]) -> list[Finding]:
    """A loop in which no mover has a filter: its events would go round for ever. A warning where
    it is not known whether it is one."""
    open_ways = [each for each in ways_back if not (route.is_filtered or each.filtered)]
    return [
        Finding(
            Code.MOVED_IN_A_LOOP,
            source_place(route),
            f'queue "{route.target_queue}" of the target is moved back into '
            + (
                f'queue "{route.queue}" by consumer "{each.consumer}":'
                " events would go round for ever"
                if each.queue
                else f'the source database by consumer "{each.consumer}", perhaps into queue'
                f' "{route.queue}"'
            ),
            f"set event_filter on both movers (docs/shaping.md), or unregister {each.consumer}"
            if each.queue
            else "restart that mover, which then records its queue",
            severity=Severity.PROBLEM if each.queue else Severity.WARNING,
        )
        for each in sorted(open_ways, key=lambda way: way.queue is None)
    ]
