"""Outages of what many workers share, logged once: by the first worker that notices."""

import time
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class _Outage:
    logged: str = ""
    """What was logged last; empty: it is available."""
    ended_at: float = float("-inf")
    """When the last outage ended."""
    affected: set[object] = field(default_factory=set)
    """The workers that have not recovered."""


class Outages:
    """The databases that are unavailable, by their names in the log. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, _Outage] = {}
        self._lock = Lock()

    def failed(self, database: str, worker: object, what: str, *, began: float) -> bool:
        """Record that a worker found a database unavailable. `began`: the start of the attempt, on
        the monotonic clock. Returns whether to log it: it has not been logged, and the attempt
        began after the last outage."""
        with self._lock:
            outage = self._known.setdefault(database, _Outage())
            outage.affected.add(worker)
            if began <= outage.ended_at or outage.logged == what:
                return False
            outage.logged = what
            return True

    def recovered(self, database: str, worker: object) -> bool:
        """Record that a worker works again. Returns whether to log it: it is the first of those
        affected."""
        with self._lock:
            outage = self._known.get(database)
            if outage is None or worker not in outage.affected:
                return False
            outage.affected.discard(worker)
            if not outage.logged:
                return False
            outage.logged, outage.ended_at = "", time.monotonic()
            return True

    def forget(self, database: str, worker: object) -> None:
        """Forget a worker that ends; an outage that affects no other is over."""
        with self._lock:
            outage = self._known.get(database)
            if outage is not None:
                outage.affected.discard(worker)
                if not outage.affected:
                    outage.logged = ""
