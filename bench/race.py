"""Contenders taking turns on the same workload, and tables of what they needed."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from bench.contenders import Contender
from bench.figures import Spread, ratio, spread
from bench.outcome import Bar, Chart
from bench.workload import Workload
from testbed.process_usage import Usage

HEADER = ("contender", "seconds", "vs queue_mover3", "CPU of the mover, s", "peak memory, MiB")

T = TypeVar("T")


def in_turn(contenders: Sequence[T], rounds: int) -> Iterator[T]:
    """Each of them once per round; every other round reversed, so that nobody has a fixed place."""
    for number in range(rounds):
        yield from contenders if number % 2 == 0 else reversed(contenders)


class Race:
    """Runs the contenders on creation; the first one is ours."""

    def __init__(self, workload: Workload, contenders: Sequence[Contender], rounds: int) -> None:
        self.names = [contender.name for contender in contenders]
        self._usages: dict[str, list[Usage]] = {name: [] for name in self.names}
        for contender in in_turn(contenders, rounds):
            contender.prepare(workload)
            self._usages[contender.name].append(contender.run(workload))
            workload.check()

    def usages(self, name: str) -> list[Usage]:
        """What a contender needed, per round."""
        return self._usages[name]

    def walls(self, name: str) -> list[float]:
        """A contender's seconds, per round."""
        return [usage.wall for usage in self._usages[name]]

    def wall(self, name: str) -> Spread:
        """A contender's seconds."""
        return spread(self.walls(name))

    def cpu(self, name: str) -> Spread:
        """A contender's CPU seconds."""
        return spread([usage.cpu for usage in self._usages[name]])

    def memory(self, name: str) -> Spread:
        """A contender's peak memory in MiB."""
        return spread([usage.memory for usage in self._usages[name]])

    def speedup(self, slower: str, faster: str) -> Spread:
        """How many times faster one is than the other."""
        return ratio(self.walls(slower), self.walls(faster))

    def lines(self) -> tuple[tuple[str, ...], ...]:
        """The rows of a table under HEADER."""
        ours = self.names[0]
        return tuple(
            (
                name,
                self.wall(name).show(),
                "1" if name == ours else self.speedup(name, ours).show(2, "x"),
                self.cpu(name).show(),
                self.memory(name).show(0),
            )
            for name in self.names
        )

    def chart(self, name: str, title: str) -> Chart:
        """Bars of the seconds."""
        walls = {contender: self.wall(contender) for contender in self.names}
        bars = (Bar(key, wall.middle, wall.low, wall.high) for key, wall in walls.items())
        return Chart(name, title, "seconds", tuple(bars))
