"""One batch whose events go to several target queues, compared with a move into one queue."""

from bench import workload
from bench.contenders import queue_mover
from bench.figures import paired
from bench.outcome import Finding, Outcome
from bench.race import HEADER, Race
from bench.row import Bench
from bench.rows.one_batch import DATA_BYTES
from testbed.queues import create_queue

QUEUES = ("public.t0", "public.t1", "public.t2")
"""What the events of the workload have in ev_extra1, in turn."""

LIMIT = 1.25


def run(bench: Bench) -> Outcome:
    """One million events, split and not."""
    events = bench.size(1_000_000, 50_000)
    plain = queue_mover()
    split = queue_mover("split", dst_queue_name="", dst_queue_field="ev_extra1")
    with workload.one_batch(bench.servers, events, DATA_BYTES) as made:
        with made.target.connect() as conn:
            for queue in QUEUES:
                create_queue(conn, queue)
        made.target_queues += QUEUES
        race = Race(made, [plain, split], bench.repeats(5))
    relative = paired(race.walls(split.name), race.walls(plain.name))
    per_event = (race.cpu(split.name).middle - race.cpu(plain.name).middle) / events * 1e6
    return Outcome(
        f"One batch of {events:,} events into {len(QUEUES)} queues",
        (
            Finding(
                f"{events:,} events split into {len(QUEUES)} queues, vs a move into one",
                f"at most {LIMIT:.2f}x",
                relative.show(2, "x"),
                relative.middle <= LIMIT,
            ),
            Finding(
                "the same, more CPU of the mover for each event",
                "to see the limit",
                f"{per_event:.2f} µs",
                None,
            ),
        ),
        HEADER,
        race.lines(),
    )
