"""A backlog: many ticks with few events each."""

from bench import workload
from bench.contenders import PsqlPipe, ancestors_design, queue_mover
from bench.figures import ratio, spread
from bench.outcome import Finding, Outcome
from bench.race import HEADER, Race
from bench.row import Bench

EVENTS = 20


def run(bench: Bench) -> Outcome:
    """With default settings, one tick at a time, the ancestor, and the floor."""
    count = bench.size(10_000, 500)
    ours, old, piped = queue_mover(), ancestors_design(), PsqlPipe("psql | psql, all in one batch")
    single = queue_mover("queue_mover3, max_batch_events = 0", max_batch_events="0")
    with workload.ticks(bench.servers, count, EVENTS) as waiting:
        race = Race(waiting, [ours, piped, single, old], bench.repeats(3))
    faster, single_faster = race.speedup(old.name, ours.name), race.speedup(old.name, single.name)
    floor = race.speedup(old.name, piped.name)
    servers = [usage.wall - usage.cpu for usage in race.usages(single.name)]
    without_cpu = ratio(race.walls(old.name), servers)
    per_second = {
        name: [count / wall for wall in race.walls(name)] for name in (single.name, old.name)
    }
    return Outcome(
        f"A backlog of {count:,} ticks of {EVENTS} events",
        (
            Finding(
                f"a backlog of {count:,} ticks of {EVENTS} events, vs the ancestor",
                "at least 60x faster",
                faster.show(0, "x"),
                faster.middle >= 60,
            ),
            Finding(
                f"the floor ({piped.name}), vs the ancestor",
                "to see the limit",
                floor.show(0, "x"),
                None,
            ),
            Finding(
                f"{count:,} ticks one by one (max_batch_events = 0)",
                "at least 2.5x the ancestor's batches per second",
                f"{single_faster.show(2, 'x')}:"
                f" {spread(per_second[single.name]).middle:.0f} batches/s"
                f" to {spread(per_second[old.name]).middle:.0f}",
                ratio(per_second[single.name], per_second[old.name]).middle >= 2.5,
            ),
            Finding(
                "the same, if the mover needed no CPU time",
                "to see the limit",
                without_cpu.show(2, "x"),
                None,
            ),
        ),
        HEADER,
        race.lines(),
        (race.chart("backlog", f"{count:,} waiting ticks of {EVENTS} events"),),
    )
