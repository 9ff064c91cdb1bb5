"""Distant servers: every round trip takes 20 milliseconds longer."""

from bench import workload
from bench.contenders import Ports, Service, ancestors_design, queue_mover
from bench.figures import ratio, spread
from bench.outcome import Finding, Outcome
from bench.race import in_turn
from bench.row import Bench
from bench.workload import Workload
from testbed.proxy import Proxy

DELAY = 0.02
EVENTS = 20


class DistantRun:
    """What a contender needs for this many ticks, one tick per batch."""

    def __init__(self, far: Service, near: Service, waiting: Workload, ticks: int) -> None:
        self.name = far.name
        self.walls: list[float] = []
        self.round_trips: tuple[float, float] = (0.0, 0.0)
        self.statements = 0.0
        self._far, self._near, self._workload, self._ticks = far, near, waiting, ticks

    def run(self, source: Proxy, target: Proxy) -> None:
        """Move all; then run again with nothing waiting, to subtract what a mere start needs."""
        self._far.prepare(self._workload)
        first = self._counted(source, target)
        self.walls.append(self._wall)
        self._workload.check()
        second = self._counted(source, target)
        self.round_trips = (
            (first[0] - second[0]) / self._ticks,
            (first[1] - second[1]) / self._ticks,
        )

    def _counted(self, source: Proxy, target: Proxy) -> tuple[int, int]:
        before = source.round_trips, target.round_trips
        self._wall = self._far.run(self._workload).wall
        return source.round_trips - before[0], target.round_trips - before[1]

    def count_statements(self) -> None:
        """Run again without the delay, with statements counted by the servers."""
        self._near.prepare(self._workload)
        counts = []
        for _ in ("everything waits", "nothing waits"):
            self._workload.servers.reset_statements()
            self._near.run(self._workload)
            counts.append(self._workload.servers.statements())
        self.statements = (counts[0] - counts[1]) / self._ticks


def run(bench: Bench) -> Outcome:
    """Ours, one tick at a time, and the ancestor."""
    count = bench.size(200, 10)
    with (
        workload.ticks(bench.servers, count, EVENTS) as waiting,
        Proxy(bench.servers.source.port, DELAY) as source,
        Proxy(bench.servers.target.port, DELAY) as target,
    ):
        ports, counted = Ports(source.port, target.port), Ports(counted=True)
        single = {"max_batch_events": "0"}
        runs = [
            DistantRun(
                queue_mover("queue_mover3", ports, **single),
                queue_mover("queue_mover3", counted, **single),
                waiting,
                count,
            ),
            DistantRun(
                ancestors_design(ports=ports), ancestors_design(ports=counted), waiting, count
            ),
        ]
        for each in in_turn(runs, bench.repeats(3)):
            each.run(source, target)
        for each in runs:
            each.count_statements()
    ours, old = runs
    speedup, round_trips = ratio(old.walls, ours.walls), sum(ours.round_trips)
    return Outcome(
        f"{DELAY * 1000:.0f} ms added to every round trip",
        (
            Finding(
                f"{DELAY * 1000:.0f} ms added to every round trip, {count} ticks of {EVENTS}"
                " events, one tick per batch",
                "at most 6 round trips per batch",
                f"{round_trips:.2f}: {ours.round_trips[0]:.2f} to the source,"
                f" {ours.round_trips[1]:.2f} to the target",
                round_trips <= 6.05,
            ),
            Finding(
                "the same, vs the ancestor",
                "at least 2.5x faster",
                speedup.show(2, "x"),
                speedup.middle >= 2.5,
            ),
        ),
        ("contender", "seconds", "round trips per batch", "statements per batch"),
        tuple(
            (
                each.name,
                spread(each.walls).show(),
                f"{sum(each.round_trips):.2f}: source {each.round_trips[0]:.2f},"
                f" target {each.round_trips[1]:.2f}",
                f"{each.statements:.1f}",
            )
            for each in runs
        ),
    )
