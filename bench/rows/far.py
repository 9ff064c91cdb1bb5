"""Servers far away: every round trip takes 20 milliseconds longer."""

from bench import workload
from bench.contenders import Ports, Service, forebear, queue_mover
from bench.figures import ratio, spread
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.workload import Workload
from testbed.proxy import Proxy

DELAY = 0.02
EVENTS = 20


class Trip:
    """What one contender needs for so many ticks, one tick a batch."""

    def __init__(self, far: Service, near: Service, waiting: Workload, ticks: int) -> None:
        self.name = far.name
        self.walls: list[float] = []
        self.turns: tuple[float, float] = (0.0, 0.0)
        self.statements = 0.0
        self._far, self._near, self._workload, self._ticks = far, near, waiting, ticks

    def go(self, source: Proxy, target: Proxy) -> None:
        """Move all; once again where nothing waits, to know what a mere start needs."""
        self._far.prepare(self._workload)
        first = self._counted(source, target)
        self.walls.append(self._wall)
        self._workload.check()
        second = self._counted(source, target)
        self.turns = (
            (first[0] - second[0]) / self._ticks,
            (first[1] - second[1]) / self._ticks,
        )

    def _counted(self, source: Proxy, target: Proxy) -> tuple[int, int]:
        before = source.round_trips, target.round_trips
        self._wall = self._far.run(self._workload).wall
        return source.round_trips - before[0], target.round_trips - before[1]

    def count_statements(self) -> None:
        """The same without the long line, counted by the servers."""
        self._near.prepare(self._workload)
        counts = []
        for _ in ("everything waits", "nothing waits"):
            self._workload.servers.forget_statements()
            self._near.run(self._workload)
            counts.append(self._workload.servers.statements())
        self.statements = (counts[0] - counts[1]) / self._ticks


def run(bench: Bench) -> Outcome:
    """Ours one tick at a time, beside the ancestor."""
    count = bench.size(200, 10)
    with (
        workload.ticks(bench.servers, count, EVENTS) as waiting,
        Proxy(bench.servers.source.port, DELAY) as source,
        Proxy(bench.servers.target.port, DELAY) as target,
    ):
        ports, counted = Ports(source.port, target.port), Ports(counted=True)
        single = {"max_batch_events": "0"}
        trips = [
            Trip(
                queue_mover("queue_mover3", ports, **single),
                queue_mover("queue_mover3", counted, **single),
                waiting,
                count,
            ),
            Trip(forebear(ports=ports), forebear(ports=counted), waiting, count),
        ]
        for number in range(bench.times(3)):
            for trip in trips if number % 2 == 0 else trips[::-1]:
                trip.go(source, target)
        for trip in trips:
            trip.count_statements()
    ours, old = trips
    beside, round_trips = ratio(old.walls, ours.walls), sum(ours.turns)
    return Outcome(
        f"{DELAY * 1000:.0f} ms added to every round trip",
        (
            Finding(
                f"{DELAY * 1000:.0f} ms added to every round trip, {count} ticks of {EVENTS}"
                " events, one tick a batch",
                "at most 6 round trips per batch",
                f"{round_trips:.2f}: {ours.turns[0]:.2f} to the source,"
                f" {ours.turns[1]:.2f} to the target",
                round_trips <= 6.05,
            ),
            Finding(
                "the same beside the ancestor",
                "at least 2.5x faster",
                beside.show(2, "x"),
                beside.middle >= 2.5,
            ),
        ),
        ("contender", "seconds", "round trips per batch", "statements per batch"),
        tuple(
            (
                trip.name,
                spread(trip.walls).show(),
                f"{sum(trip.turns):.2f}: source {trip.turns[0]:.2f}, target {trip.turns[1]:.2f}",
                f"{trip.statements:.1f}",
            )
            for trip in trips
        ),
    )
