"""Contenders in turn, several rounds, on the same work; and tables of what they needed."""

from collections.abc import Sequence

from bench.contenders import Contender
from bench.figures import Spread, ratio, spread
from bench.outcome import Bar, Chart
from bench.workload import Workload
from testbed.process_usage import Usage

HEADER = ("contender", "seconds", "beside queue_mover3", "CPU of the mover, s", "peak memory, MiB")


class Race:
    """Runs the contenders when made; the first one is ours."""

    def __init__(self, workload: Workload, contenders: Sequence[Contender], rounds: int) -> None:
        self.names = [contender.name for contender in contenders]
        self._usages: dict[str, list[Usage]] = {name: [] for name in self.names}
        for number in range(rounds):
            # Every other round backwards: nobody always follows the same one.
            for contender in contenders if number % 2 == 0 else list(reversed(contenders)):
                contender.prepare(workload)
                self._usages[contender.name].append(contender.run(workload))
                workload.check()

    def usages(self, name: str) -> list[Usage]:
        """What one contender needed, a round each."""
        return self._usages[name]

    def walls(self, name: str) -> list[float]:
        """The seconds of one contender, a round each."""
        return [usage.wall for usage in self._usages[name]]

    def wall(self, name: str) -> Spread:
        """The seconds of one contender."""
        return spread(self.walls(name))

    def cpu(self, name: str) -> Spread:
        """Processor seconds."""
        return spread([usage.cpu for usage in self._usages[name]])

    def memory(self, name: str) -> Spread:
        """Peak memory in MiB."""
        return spread([usage.memory for usage in self._usages[name]])

    def times(self, slower: str, faster: str) -> Spread:
        """How many times as long one takes."""
        return ratio(self.walls(slower), self.walls(faster))

    def lines(self) -> tuple[tuple[str, ...], ...]:
        """A table under HEADER."""
        ours = self.names[0]
        return tuple(
            (
                name,
                self.wall(name).show(),
                "1" if name == ours else self.times(name, ours).show(2, "x"),
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
