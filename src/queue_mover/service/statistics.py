"""When to write a statistics line, and its values."""

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """One line per batch, and one every `keepalive` seconds without events.

    `idle` is the time since the last batch that had events ended.
    """

    keepalive: float
    idle_since: float
    _began: float = 0.0

    def begin(self, now: float, failing_since: float | None = None) -> dict[str, object]:
        """Start a step. Returns the values of a keepalive line, empty when none is due.

        `failing_since`: start of the current outage; a mover that fails is not idle.
        """
        self._began = now
        idle = now - self.idle_since
        if idle <= self.keepalive:
            return {}
        self.idle_since = now
        if failing_since is not None:
            return {"failing": round(now - failing_since, 4)}
        return {"idle": round(idle, 4)}

    def batch(self, now: float, count: int, quarantined: int = 0) -> dict[str, object]:
        """End a batch. Returns the values of its line."""
        values: dict[str, object] = {"count": count, "duration": round(now - self._began, 4)}
        if count:
            values["idle"] = round(self._began - self.idle_since, 4)
            self.idle_since = now
        if quarantined:
            values["quarantined"] = quarantined
        return values
