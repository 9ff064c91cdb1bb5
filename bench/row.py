"""What a row gets: the servers, and how much of everything."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.outcome import Outcome
from bench.servers import Servers


@dataclass(frozen=True)
class Bench:
    """The circumstances of a row."""

    servers: Servers
    quick: bool
    rounds: int | None = None

    def size(self, full: int, quick: int) -> int:
        """One size or the other."""
        return quick if self.quick else full

    def times(self, full: int, quick: int = 1) -> int:
        """How many rounds."""
        return self.rounds or self.size(full, quick)


@dataclass(frozen=True)
class Row:
    """A row of the table of goals, or several that share their work."""

    name: str
    run: Callable[[Bench], Outcome]
    connections: int = 100
    """What the clusters must take."""
