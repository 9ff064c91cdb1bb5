"""Sources that must not run together."""

from dataclasses import dataclass, field
from pathlib import Path

from queue_mover.errors import ConfigError
from queue_mover.model import Route
from queue_mover.postgres.conninfo import location


@dataclass(slots=True)
class Conflicts:
    """The consumers and events that the sources of a file use."""

    path: Path
    _consumers: dict[tuple[str, ...], str] = field(default_factory=dict)
    _routes: dict[tuple[str, ...], list[tuple[str, Route]]] = field(default_factory=dict)
    _queues: dict[tuple[str, ...], dict[str, Route]] = field(default_factory=dict)

    def add(self, source: str, src_db: str, dst_db: str, route: Route) -> None:
        """Add a source. Raises ConfigError when it conflicts with another one."""
        self._require_own_consumer(source, dst_db, route)
        self._require_own_events(source, src_db, dst_db, route)
        self._require_own_ids(source, dst_db, route)

    def _require_own_consumer(self, source: str, dst_db: str, route: Route) -> None:
        """Two sources with one position would each skip what the other has moved."""
        owner = self._consumers.setdefault((*location(dst_db), route.consumer), source)
        if owner != source:
            raise ConfigError(
                f"{self.path}: consumer_name: sources {owner} and {source} would share"
                f' the consumer "{route.consumer}" on one target; remedy: leave it unset,'
                " or put %(source)s in it"
            )

    def _require_own_events(self, source: str, src_db: str, dst_db: str, route: Route) -> None:
        """Two sources that read the same events would write them twice."""
        key = (*location(src_db), route.queue, *location(dst_db), route.target_queue)
        same = self._routes.setdefault(key, [])
        for other, its_route in same:
            mine, theirs = set(route.tables), set(its_route.tables)
            tables_overlap = not mine or not theirs or mine & theirs
            if tables_overlap and not _filters_differ(route, its_route):
                raise ConfigError(
                    f"{self.path}: sources {other} and {source} would both move the"
                    f' events of queue "{route.queue}" in the same database to queue'
                    f' "{route.target_queue}"; remedy: give them different src_db, queue_name'
                    ", table_filter or event_filter"
                )
        same.append((source, route))

    def _require_own_ids(self, source: str, dst_db: str, route: Route) -> None:
        """The IDs of two sources in one queue would collide."""
        others = self._queues.setdefault((*location(dst_db), route.target_queue), {})
        others[source] = route
        keepers = [name for name, each in others.items() if each.keep_event_id]
        if keepers and len(others) > 1:
            raise ConfigError(
                f"{self.path}: keep_event_id: sources {' and '.join(others)} would both write to"
                f' queue "{route.target_queue}", which has the event IDs of {keepers[0]};'
                " remedy: give each its own dst_queue_name, or set keep_event_id = 0"
            )


def _filters_differ(mine: Route, theirs: Route) -> bool:
    """Whether both have an event_filter, of different texts: whether an event can meet both,
    only the operator knows."""
    filters = [" ".join(route.event_filter.split()) for route in (mine, theirs)]
    return all(filters) and filters[0] != filters[1]
