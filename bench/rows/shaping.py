"""What a filter and a rewrite cost."""

from bench import workload
from bench.contenders import queue_mover
from bench.figures import paired
from bench.outcome import Finding, Outcome
from bench.race import HEADER, Race
from bench.row import Bench
from bench.rows.one_batch import DATA_BYTES

LIMIT = 1.10


def run(bench: Bench) -> Outcome:
    """The same batch as it is, with a filter that every event meets, and with one rewrite."""
    events = bench.size(1_000_000, 50_000)
    plain = queue_mover()
    ways = {
        "event_filter": queue_mover("with event_filter", event_filter="ev_extra1 <> 'public.none'"),
        "rewrite of one column": queue_mover("with ev_type", ev_type="'app1.' || ev_type"),
    }
    with workload.one_batch(bench.servers, events, DATA_BYTES) as batch:
        race = Race(batch, [plain, *ways.values()], bench.repeats(7, 3))
    costs = {
        what: paired(race.walls(way.name), race.walls(plain.name)) for what, way in ways.items()
    }
    return Outcome(
        f"One batch of {events:,} events, filtered and rewritten",
        tuple(
            Finding(
                f"one batch of {events:,} events, {what}, vs neither",
                f"at most {LIMIT:.2f}x",
                cost.show(2, "x"),
                cost.middle <= LIMIT,
            )
            for what, cost in costs.items()
        ),
        HEADER,
        race.lines(),
        (race.chart("shaping", f"{events:,} events in one batch, filtered or rewritten"),),
    )
