"""Many idle source databases in one process, and the cost of one more."""

import time
from collections.abc import Sequence

from bench import ancestor
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.shards import COMMAND, Shard, Shards, connections, shards
from testbed.process_usage import Usage, watch
from testbed.processes import Process, wait_until

SETTLE_SECONDS = 1
"""For one-off work after the last connection."""
MEASURED = 5
"""Processes with one source each, from which the rest is extrapolated."""


def idle(bench: Bench) -> Outcome:
    """200 databases in one process, and in a process each."""
    count, seconds = bench.size(200, 10), bench.size(30, 2)
    with shards(bench.servers, count) as many:
        many.register(None)
        together = _together(many, many.sources, seconds)
        apart = _apart(many, COMMAND, seconds)
        old = _apart(many, ancestor.command(), seconds)
    return Outcome(
        f"{count} idle source databases, loop_delay 1 s",
        (
            Finding(
                f"{count} idle source databases in one process",
                "at most 150 MiB, at most 10% of one core",
                f"{together.memory:.0f} MiB, {100 * together.load:.1f}%",
                together.memory <= 150 and together.load <= 0.1,
            ),
        ),
        ("setup", "memory, MiB", "CPU, % of one core"),
        (
            (f"queue_mover3, one process, {count} sources", *_figures(together, 1)),
            (f"queue_mover3, {count} processes", *_figures(apart, count / MEASURED)),
            (f"ancestor's design, {count} processes", *_figures(old, count / MEASURED)),
        ),
        notes=(f"Of many processes, {MEASURED} were measured and the rest extrapolated.",),
    )


def growth(bench: Bench) -> Outcome:
    """1,000 sources: 50 databases of 20 queues."""
    databases, each = bench.size(50, 4), bench.size(20, 5)
    seconds = bench.size(20, 2)
    total = databases * each
    sizes = [total // 4, total // 2, total]
    with shards(bench.servers, databases, each) as many:
        many.register(None)
        usages = [_together(many, many.sources[:size], seconds) for size in sizes]
    first, last, extra = usages[0], usages[-1], sizes[-1] - sizes[0]
    memory = 1024 * (last.memory - first.memory) / extra
    cpu = 100 * (last.load - first.load) / extra
    deviation = _deviation(sizes, [usage.memory for usage in usages])
    return Outcome(
        f"{total:,} sources in one process: {databases} databases of {each} queues",
        (
            Finding(
                f"{total:,} sources ({databases} databases x {each} queues) in one process",
                "memory and idle CPU grow linearly; the cost of one more source is stated",
                f"one more: {memory:.0f} KiB and {cpu:.3f}% of one core;"
                f" memory deviates from linear by at most {100 * deviation:.0f}%",
                deviation <= 0.1,
            ),
        ),
        ("sources", "memory, MiB", "CPU, % of one core"),
        tuple(
            (f"{size:,}", *_figures(usage, 1)) for size, usage in zip(sizes, usages, strict=True)
        ),
    )


def _deviation(sizes: Sequence[int], values: Sequence[float]) -> float:
    """How far the values deviate from the line between the first and the last, as a share."""
    slope = (values[-1] - values[0]) / (sizes[-1] - sizes[0])
    straight = [values[0] + slope * (size - sizes[0]) for size in sizes]
    return max(abs(a - b) / b for a, b in zip(values, straight, strict=True))


def _figures(usage: Usage, factor: float) -> tuple[str, str]:
    return f"{usage.memory * factor:,.0f}", f"{100 * usage.load * factor:.1f}"


def _together(many: Shards, sources: Sequence[Shard], seconds: float) -> Usage:
    with many.one_process(1, sources) as mover:
        return _settled(many, [mover], len(sources), seconds)


def _apart(many: Shards, command: Sequence[str], seconds: float) -> Usage:
    with many.process_each(1, many.sources[:MEASURED], command) as movers:
        return _settled(many, movers, MEASURED, seconds)


def _settled(many: Shards, movers: Sequence[Process], sources: int, seconds: float) -> Usage:
    """What they use once all are connected and idle."""

    def connected() -> bool:
        if not all(mover.running for mover in movers):
            raise RuntimeError(movers[0].stderr[-2000:])
        return connections(many.servers.source) >= sources

    wait_until(connected, 120, f"{sources} source connections", interval=0.5)
    time.sleep(SETTLE_SECONDS)
    return watch([mover.pid for mover in movers], seconds)
