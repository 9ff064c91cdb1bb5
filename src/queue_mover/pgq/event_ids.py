"""The event IDs of a target queue that are those of its source (keep_event_id)."""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from queue_mover.errors import NotReadyError
from queue_mover.model import Position, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import primary

KEEP: LiteralString = (
    "select queue_mover.keep_event_ids(%(pgq)s, %(queue)s, %(consumer)s, %(source)s, %(before)s,"
    " %(before_mark)s, %(tick)s, %(mark)s, %(first)s, %(last)s)"
)
"""Advances the target's sequence of event IDs, just before the commit of a batch."""

REFUSED = "QM002"
"""SQLSTATE of `queue_mover.keep_event_ids` when IDs would collide."""

REMEDY = (
    "let one source alone write to the queue, as docs/event-ids.md says; keep_event_id = 0 lets the"
    " target number the events again"
)

_READ = "queue_mover.event_ids_state(text, text, text)"
_WRITE = (
    "queue_mover.keep_event_ids(text, text, text, text, bigint, text, bigint, text, bigint, bigint)"
)


def values(
    route: Route, before: Position | None, kept: tuple[int | None, int | None]
) -> dict[str, object]:
    """The parameters of KEEP that `commit_position` does not have."""
    return {
        "pgq": route.target_flavour.schema,
        "queue": route.target_queue,
        "before_mark": before.mark if before else None,
        "first": kept[0],
        "last": kept[1],
    }


def refused(error: psycopg.Error) -> NotReadyError:
    """The error to raise when IDs would collide."""
    return NotReadyError(f"target database: {primary(error)}; remedy: {REMEDY}")


def written_twice(connection: Connection, route: Route) -> int | None:
    """An ID of an event written in this transaction that the queue has already; None: none.

    Reads all of its event tables, which have no index by ID.
    """
    pgq = route.target_flavour.schema
    found = connection.execute(
        f"select queue_data_pfx from {pgq}.queue where queue_name = %s".encode(),
        [route.target_queue],
    ).fetchone()
    assert found is not None
    ours = "ev_txid::text::bigint = txid_current()"
    statement = sql.SQL(
        "select min(ev_id) from {events} where not {ours} and ev_id in"
        " (select ev_id from {events} where {ours})"
    ).format(events=sql.Identifier(*found[0].split(".", 1)), ours=sql.SQL(ours))
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]


@dataclass(frozen=True, slots=True)
class KeptEventIds:
    """Whose event IDs a target queue has, and whether more can be kept."""

    installed: bool = False
    """Whether the schema queue_mover is new enough."""
    may_keep: bool = False
    """Whether our role may keep IDs."""
    owner: str | None = None
    """The consumer whose IDs the queue has; None: none yet."""
    source: str | None = None
    """Its source."""
    owner_is_active: bool = False
    """Whether that consumer still has a position on the target."""
    continues: bool = False
    """Whether the last batch of our consumer was also the last one that kept its IDs."""
    strange: int | None = None
    """If it continues: an event that somebody else has written since; None: none."""
    highest: int | None = None
    """If it does not: the highest event ID in the queue; 0: no events."""
    may_advance: bool | None = None
    """Whether the owner of the functions may change the sequence; None: no such queue."""


def read(connection: Connection, route: Route) -> KeptEventIds:
    """Read the state of a route's target queue, in one snapshot."""
    allowed = connection.execute(
        "select to_regprocedure(%(read)s) is not null,"
        " coalesce(has_function_privilege(to_regprocedure(%(read)s), 'execute')"
        " and has_function_privilege(to_regprocedure(%(write)s), 'execute'), false)",
        {"read": _READ, "write": _WRITE},
    ).fetchone()
    if allowed != (True, True):
        return KeptEventIds(*(allowed or ()))
    with connection.cursor(row_factory=class_row(KeptEventIds)) as cursor:
        found = cursor.execute(
            """
            select true as installed, true as may_keep, consumer as owner, source,
                   coalesce(has_position, false) as owner_is_active,
                   coalesce(continues, false) as continues, strange, highest, may_advance
              from queue_mover.event_ids_state(%s, %s, %s)
            """,
            [route.target_flavour.schema, route.target_queue, route.consumer],
        ).fetchone()
    assert found is not None
    return found
