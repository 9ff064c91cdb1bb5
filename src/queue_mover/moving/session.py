"""A connection to either side of a route, whose errors name the PgQ that the side has."""

from collections.abc import Iterator
from contextlib import contextmanager

from queue_mover.model import Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Sessions
from queue_mover.postgres.translation import translating_errors


@contextmanager
def on_source(source: Sessions, route: Route) -> Iterator[Connection]:
    """A session on the source of a route. Raises as `Database.session`."""
    with source.session() as src, translating_errors("source", route.source_flavour):
        yield src


@contextmanager
def on_target(target: Sessions, route: Route) -> Iterator[Connection]:
    """A session on its target. Raises as `Database.session`."""
    with target.session() as dst, translating_errors("target", route.target_flavour):
        yield dst
