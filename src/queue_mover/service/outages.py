"""Outages of what many workers share: the first one to notice speaks for all of them."""

import time
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class _Outage:
    told: str = ""
    """What was told last; empty: nothing is amiss."""
    over: float = float("-inf")
    """When the last one ended."""
    missing: set[object] = field(default_factory=set)
    """Who has not worked since."""


class Outages:
    """The databases that are away, by what the log calls them. May be used by many threads."""

    def __init__(self) -> None:
        self._known: dict[str, _Outage] = {}
        self._lock = Lock()

    def failed(self, database: str, who: object, what: str, *, began: float) -> bool:
        """Note that a database was missed in an attempt that began at that time, of the monotonic
        clock. Returns whether that is news: nobody has said it, and it was not before the end of
        the outage that is known."""
        with self._lock:
            outage = self._known.setdefault(database, _Outage())
            outage.missing.add(who)
            if began <= outage.over or outage.told == what:
                return False
            outage.told = what
            return True

    def recovered(self, database: str, who: object) -> bool:
        """Note that somebody works again. Returns whether that is news: the first one of those
        who missed the database."""
        with self._lock:
            outage = self._known.get(database)
            if outage is None or who not in outage.missing:
                return False
            outage.missing.discard(who)
            if not outage.told:
                return False
            outage.told, outage.over = "", time.monotonic()
            return True

    def leave(self, database: str, who: object) -> None:
        """Somebody ends: what nobody misses any more is told anew next time."""
        with self._lock:
            outage = self._known.get(database)
            if outage is not None:
                outage.missing.discard(who)
                if not outage.missing:
                    outage.told = ""
