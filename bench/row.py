"""What a row gets: the servers and the sizes."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.outcome import Outcome
from bench.servers import Servers


@dataclass(frozen=True)
class Bench:
    """The servers and sizes for a row."""

    servers: Servers
    quick: bool
    rounds: int | None = None

    def size(self, full: int, quick: int) -> int:
        """The size for this kind of run."""
        return quick if self.quick else full

    def repeats(self, full: int, quick: int = 1) -> int:
        """The number of rounds."""
        return self.rounds or self.size(full, quick)


@dataclass(frozen=True)
class Row:
    """One row of the table of goals, or several that share a workload."""

    name: str
    run: Callable[[Bench], Outcome]
    connections: int = 100
    """The clusters' max_connections."""
