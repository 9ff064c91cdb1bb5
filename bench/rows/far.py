"""Servers far away: every round trip takes 20 milliseconds longer."""

from bench import work
from bench.contenders import Ports, Service, forebear, queue_mover
from bench.figures import ratio, spread
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.wire import Wire
from bench.work import Work

DELAY = 0.02
EVENTS = 20


class Trip:
    """What one contender needs for so many ticks, one tick a batch."""

    def __init__(self, far: Service, near: Service, work_: Work, ticks: int) -> None:
        self.name = far.name
        self.walls: list[float] = []
        self.turns: tuple[float, float] = (0.0, 0.0)
        self.statements = 0.0
        self._far, self._near, self._work, self._ticks = far, near, work_, ticks

    def go(self, wire: Wire) -> None:
        """Move all; once again where nothing waits, to know what a mere start needs."""
        self._far.prepare(self._work)
        first = self._counted(wire)
        self.walls.append(self._wall)
        self._work.check()
        second = self._counted(wire)
        self.turns = (
            (first[0] - second[0]) / self._ticks,
            (first[1] - second[1]) / self._ticks,
        )

    def _counted(self, wire: Wire) -> tuple[int, int]:
        before = wire.round_trips()
        self._wall = self._far.run(self._work).wall
        after = wire.round_trips()
        return after[0] - before[0], after[1] - before[1]

    def count_statements(self) -> None:
        """The same without the long line, counted by the servers."""
        self._near.prepare(self._work)
        counts = []
        for _ in ("everything waits", "nothing waits"):
            self._work.ground.forget_statements()
            self._near.run(self._work)
            counts.append(self._work.ground.statements())
        self.statements = (counts[0] - counts[1]) / self._ticks


def run(bench: Bench) -> Outcome:
    """Ours one tick at a time, beside the ancestor."""
    count = bench.size(200, 10)
    with work.ticks(bench.ground, count, EVENTS) as waiting, Wire(bench.ground, DELAY) as wire:
        ports, counted = Ports(wire.source_port, wire.target_port), Ports(counted=True)
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
                trip.go(wire)
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
