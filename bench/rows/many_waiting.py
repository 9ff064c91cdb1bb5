"""Events waiting in many sources."""

import tempfile
import time
from pathlib import Path

from psycopg import Connection

from bench import workload
from bench.contenders import queue_mover
from bench.figures import ratio, spread
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.shards import COMMAND, Shards, shards
from bench.workload import Workload
from testbed import queues
from testbed.process_usage import measure

FIRST_TICK = 1
"""The one that a queue is created with."""
TICK_EVENTS = 500
"""Per tick; PgQ's default for ticker_max_count."""


def run(bench: Bench) -> Outcome:
    """50 sources in one process, in a process each, and as many events in a single source."""
    count, events, rounds = bench.size(50, 5), bench.size(20_000, 2_000), bench.repeats(3)
    together: list[float] = []
    first: list[float] = []
    apart: list[float] = []
    single: list[float] = []
    with shards(bench.servers, count) as many, workload.no_events(bench.servers) as one:
        _fill(many, events)
        _fill_one(one, count * events)
        for _ in range(rounds):
            many.register(FIRST_TICK)
            started = time.time()
            together.append(_together(many))
            first.append(_slowest_first(many, started, count * events))
            many.register(FIRST_TICK)
            apart.append(_apart(many))
            single.append(_single(one))
    speed = ratio(single, together)
    slowest = spread(first)
    total = count * events
    return Outcome(
        f"{count} sources with {events:,} events waiting in each, {TICK_EVENTS} per tick",
        (
            Finding(
                f"{count} sources x {events:,} events waiting",
                "at least 0.8x of the single-source events per second",
                speed.show(2, "x"),
                speed.middle >= 0.8,
            ),
            Finding(
                "the same: every source has moved its first batch",
                "within the first second",
                slowest.show(2, " s") + " from the start of the process",
                slowest.middle <= 1,
            ),
        ),
        ("setup", "seconds", "events/s"),
        tuple(
            (setup, spread(walls).show(), f"{total / spread(walls).middle:,.0f}")
            for setup, walls in (
                (f"queue_mover3, one process, {count} sources", together),
                (f"queue_mover3, {count} processes", apart),
                (f"queue_mover3, one source, {total:,} events", single),
            )
        ),
    )


def _fill(many: Shards, events: int) -> None:
    for shard in many.sources:
        with shard.database.connect() as conn:
            _produce(conn, shard.queue, events, shard.name)
            conn.execute("vacuum (analyze, freeze)")


def _produce(conn: Connection, queue: str, events: int, label: str) -> int:
    """Insert events, with a tick after each TICK_EVENTS; returns how many."""
    made = 0
    for _ in range(events // TICK_EVENTS):
        made += queues.produce(conn, queue, TICK_EVENTS, label=label)
        conn.execute("select pgq.ticker(%s)", [queue])
    return made


def _together(many: Shards) -> float:
    with tempfile.TemporaryDirectory() as name:
        ini = many.ini(Path(name), 0)
        return measure([*COMMAND, str(ini)]).wall


def _slowest_first(many: Shards, started: float, expected: int) -> float:
    """Seconds until every source had a batch on the target."""
    arrivals = many.arrivals()
    if len(arrivals) != expected:
        raise RuntimeError(f"{len(arrivals)} of {expected} events arrived")
    firsts: dict[str, float] = {}
    for label, _, arrived in arrivals:
        firsts[label] = min(arrived, firsts.get(label, arrived))
    if len(firsts) != len(many.sources):
        raise RuntimeError(f"events of {len(firsts)} sources")
    return max(firsts.values()) - started


def _apart(many: Shards) -> float:
    started = time.monotonic()
    with many.process_each(0, many.sources) as movers:
        for mover in movers:
            if mover.wait(600) != 0:
                raise RuntimeError(mover.stderr[-2000:])
        return time.monotonic() - started


def _fill_one(one: Workload, events: int) -> None:
    with one.source.connect() as conn:
        one.events = _produce(conn, workload.QUEUE, events, "event")
    workload.vacuum_source(one)


def _single(one: Workload) -> float:
    mover = queue_mover()
    mover.prepare(one)
    wall = mover.run(one).wall
    one.check()
    return wall
