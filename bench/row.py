"""What a row gets: the ground to stand on, and how much of everything."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.ground import Ground
from bench.outcome import Outcome


@dataclass(frozen=True)
class Bench:
    """The circumstances of a row."""

    ground: Ground
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
