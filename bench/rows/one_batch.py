"""Many small events between two ticks."""

from bench import workload
from bench.contenders import Contender, ForeignTable, PsqlPipe, ancestors_design, queue_mover
from bench.figures import paired, spread
from bench.outcome import Finding, Outcome
from bench.race import HEADER, Race
from bench.row import Bench
from testbed.process_usage import measure
from testbed.processes import script
from testbed.programs import postgres_bindir

PROGRAMS = {"queue_mover3": script("queue_mover3"), "psql": str(postgres_bindir() / "psql")}
STARTS = 11
DATA_BYTES = 115
"""Of ev_data; with its other fields an event takes about 190 bytes in the table."""


def million(bench: Bench) -> Outcome:
    """One million events, all contenders."""
    events = bench.size(1_000_000, 50_000)
    ours, piped, old, foreign = queue_mover(), PsqlPipe(), ancestors_design(), ForeignTable()
    with workload.one_batch(bench.servers, events, DATA_BYTES) as million_events:
        race = Race(million_events, [ours, piped, foreign, old], bench.repeats(7))
    vs_floor = paired(race.walls(ours.name), race.walls(piped.name))
    start, floor_start = _start("queue_mover3"), _start("psql")
    started = paired(
        [wall - start for wall in race.walls(ours.name)],
        [wall - floor_start for wall in race.walls(piped.name)],
    )
    vs_old = race.speedup(old.name, ours.name)
    cpu = race.cpu(ours.name)
    per_million = cpu.middle / events * 1_000_000
    what = f"one batch of {events:,} events"
    return Outcome(
        f"One batch of {events:,} events of about 190 bytes",
        (
            Finding(
                f"{what}, vs {piped.name}",
                "at most 1.00x",
                vs_floor.show(2, "x"),
                vs_floor.middle <= 1.0,
            ),
            Finding(
                f"the same, without starting the programs ({start:.2f} s and {floor_start:.2f} s)",
                "to see the limit",
                started.show(2, "x"),
                None,
            ),
            Finding(
                f"{what}, vs the ancestor",
                "at least 8x faster",
                vs_old.show(1, "x"),
                vs_old.middle >= 8,
            ),
            Finding(
                f"{what}, CPU of the mover per million",
                "at most 1.2 s",
                f"{per_million:.2f} s",
                per_million <= 1.2,
            ),
        ),
        HEADER,
        race.lines(),
        (race.chart("one_batch", f"{events:,} events in one batch"),),
    )


def _start(program: str) -> float:
    """Seconds that a program needs to print its version."""
    command = [PROGRAMS[program], "-V"]
    return spread([measure(command).wall for _ in range(STARTS)]).middle


def five_million(bench: Bench) -> Outcome:
    """Five million events, ours and the floor; and that memory does not grow."""
    events, fewer = bench.size(5_000_000, 100_000), bench.size(1_000_000, 20_000)
    contenders: list[Contender] = [queue_mover(), PsqlPipe()]
    ours, piped = (contender.name for contender in contenders)
    with workload.one_batch(bench.servers, fewer, DATA_BYTES) as small:
        before = Race(small, contenders[:1], bench.repeats(3)).memory(ours)
    with workload.one_batch(bench.servers, events, DATA_BYTES) as big:
        race = Race(big, contenders, bench.repeats(3))
    relative, memory = paired(race.walls(ours), race.walls(piped)), race.memory(ours)
    # Both figures vary by a few pages from run to run.
    flat = memory.middle <= before.middle + 1
    return Outcome(
        f"One batch of {events:,} events",
        (
            Finding(
                f"one batch of {events:,} events, vs {piped}",
                "at most 1.00x",
                relative.show(2, "x"),
                relative.middle <= 1.0,
            ),
            Finding(
                f"one batch of {events:,} events, peak memory",
                f"at most 64 MiB, and no more than with {fewer:,}",
                f"{memory.show(1)} MiB; with {fewer:,}: {before.show(1)} MiB",
                memory.middle <= 64 and flat,
            ),
        ),
        HEADER,
        race.lines(),
    )
