"""Events that keep their IDs, beside events that the target numbers."""

from bench import workload
from bench.contenders import queue_mover
from bench.figures import paired
from bench.outcome import Finding, Outcome
from bench.race import HEADER, Race
from bench.row import Bench
from bench.rows.one_batch import DATA_BYTES

EVENTS = 20


def run(bench: Bench) -> Outcome:
    """One large batch, and many small ones."""
    events, ticks = bench.size(1_000_000, 50_000), bench.size(2_000, 200)
    plain, keeping = queue_mover(), queue_mover("keep_event_id = 1", keep_event_id="1")
    with workload.one_batch(bench.servers, events, DATA_BYTES) as batch:
        large = Race(batch, [plain, keeping], bench.repeats(5))
    small_plain = queue_mover("one tick per batch", max_batch_events="0")
    small_keeping = queue_mover(
        "one tick per batch, keep_event_id = 1", keep_event_id="1", max_batch_events="0"
    )
    with workload.ticks(bench.servers, ticks, EVENTS) as waiting:
        small = Race(waiting, [small_plain, small_keeping], bench.repeats(5))
    of_large = paired(large.walls(keeping.name), large.walls(plain.name))
    of_small = paired(small.walls(small_keeping.name), small.walls(small_plain.name))
    return Outcome(
        "Event IDs kept",
        (
            Finding(
                f"keep_event_id = 1, one batch of {events:,} events, vs without",
                "at most 1.03x",
                of_large.show(2, "x"),
                of_large.middle <= 1.03,
            ),
            Finding(
                f"keep_event_id = 1, {ticks:,} batches of {EVENTS} events, vs without",
                "at most 1.15x",
                of_small.show(2, "x"),
                of_small.middle <= 1.15,
            ),
        ),
        HEADER,
        (*large.lines(), *small.lines()),
    )
