"""Which PgQ a database has: PgQ, PgQue, or both."""

from dataclasses import replace
from typing import LiteralString

from queue_mover.errors import NotReadyError
from queue_mover.model import FLAVOURS, PGQ, Flavour, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.translation import translating_errors

KEYS = {"source": "src_flavour", "target": "dst_flavour"}
"""The key of each side in a mover's config."""

# From the catalogue, which any role may read; `to_regprocedure` raises an error for a schema that
# the role may not use.
_INSTALLED: LiteralString = """
    select n.nspname from pg_catalog.pg_namespace n
     where n.nspname = any(%s)
       and exists (select from pg_catalog.pg_proc p
                    where p.pronamespace = n.oid and p.proname = 'next_batch_custom')
"""


def installed(connection: Connection) -> tuple[Flavour, ...]:
    """The flavours that a database has, PgQ first. One cheap query, which any role may run."""
    known = [flavour.schema for flavour in FLAVOURS]
    found = {name for (name,) in connection.execute(_INSTALLED, [known])}
    return tuple(flavour for flavour in FLAVOURS if flavour.schema in found)


def named(name: str) -> Flavour | None:
    """The flavour that a config names by its schema; None: no such flavour."""
    return next((flavour for flavour in FLAVOURS if flavour.schema == name), None)


def find(connection: Connection, queue: str = "", wanted: str = "", *, side: str = "") -> Flavour:
    """The flavour to use: the wanted one, the only one, or the one that has the queue.

    PgQ if none is installed: a check of it follows. `wanted`: a schema's name; empty: find it.
    `side`: "source" or "target", for messages; empty: the database of pgqadm.

    Raises NotReadyError if both are installed and the queue does not decide.
    """
    if chosen := named(wanted):
        return chosen
    found = installed(connection)
    if len(found) < 2:
        return found[0] if found else PGQ
    owners = [flavour for flavour in found if queue and has_queue(connection, queue, flavour)]
    if len(owners) == 1:
        return owners[0]
    raise NotReadyError(_undecided(connection, found, queue, owners, side))


def resolved(src: Connection, dst: Connection, route: Route) -> Route:
    """A route with the flavours that both sides have now. Raises a QueueMoverError."""
    return with_target_flavour(dst, with_source_flavour(src, route))


def with_source_flavour(src: Connection, route: Route) -> Route:
    """A route with the flavour of its source."""
    if not route.finds_source_flavour:
        return route
    with translating_errors("source"):
        return replace(route, source_flavour=find(src, route.queue, side="source"))


def with_target_flavour(dst: Connection, route: Route) -> Route:
    """A route with the flavour of its target."""
    if not route.finds_target_flavour:
        return route
    with translating_errors("target"):
        return replace(route, target_flavour=find(dst, route.target_queue, side="target"))


def has_queue(connection: Connection, queue: str, flavour: Flavour) -> bool:
    """Whether a flavour that the database has owns a queue of this name."""
    statement = flavour.sql("select exists (select from {pgq}.queue where queue_name = %s)")
    return connection.execute(statement, [queue]).fetchone() == (True,)


def _undecided(
    connection: Connection,
    found: tuple[Flavour, ...],
    queue: str,
    owners: list[Flavour],
    side: str,
) -> str:
    place = f"{side} database" if side else f'database "{connection.info.dbname}"'
    both = " and ".join(flavour.name for flavour in found)
    which = f', {"both with a" if owners else "neither with a"} queue "{queue}"' if queue else ""
    choice = " or ".join(flavour.schema for flavour in found)
    key = KEYS.get(side, "flavour")
    return f"{place} has {both}{which}; remedy: set {key} = {choice}"
