"""A steady stream from many sources; then with a fault in one of them."""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial

from bench.figures import percentile
from bench.outcome import Bar, Chart, Finding, Outcome
from bench.row import Bench
from bench.servers import new_cluster
from bench.shards import Shard, Shards, connections, shards, wait_for_connections
from bench.stream import Stream
from testbed import queues
from testbed.cluster import Cluster
from testbed.processes import Process, wait_until
from testbed.procfs import cpu_seconds
from testbed.servers import TEMPLATE

EVENTS = 20
DRAIN_TIMEOUT = 30
"""Seconds for the last events to arrive."""


def steady(bench: Bench) -> Outcome:
    """200 sources, a tick a second, for a minute."""
    count, seconds = bench.size(200, 6), bench.size(60, 3)
    with shards(bench.servers, count) as many, _mover(many, count) as mover:
        stream = Stream(many.sources, EVENTS)
        used, most_connections = cpu_seconds(mover.pid), 0
        with stream.running():
            ending = time.monotonic() + seconds
            while time.monotonic() < ending:
                most_connections = max(most_connections, connections(bench.servers.target))
                time.sleep(0.25)
        cpu = (cpu_seconds(mover.pid) - used) / seconds
        lags = _lags(many, stream.sent)
    p50, p99 = _percentiles(lags)
    return Outcome(
        f"{count} sources, a tick of {EVENTS} events a second in each, for {seconds} s",
        (
            Finding(
                f"{count} sources x 1 tick per second x {EVENTS} events",
                "keeps up, p99 arrival lag under 3 s, at most 4 target connections",
                f"p99 {p99:.2f} s, {most_connections} target connections",
                p99 < 3 and most_connections <= 4,
            ),
        ),
        ("events", "p50, s", "p99, s", "worst, s", "target connections", "CPU, % of one core"),
        (
            (
                f"{len(lags):,}",
                f"{p50:.2f}",
                f"{p99:.2f}",
                f"{max(lags):.2f}",
                str(most_connections),
                f"{100 * cpu:.0f}",
            ),
        ),
        notes=(f"The stream itself was late by at most {stream.late:.2f} s.",),
    )


@contextlib.contextmanager
def _mover(many: Shards, connected: int) -> Iterator[Process]:
    many.register(None)
    with many.one_process(1) as mover:
        wait_for_connections(many.servers.source, connected)
        time.sleep(2)
        yield mover


def _lags(many: Shards, sent: int) -> list[float]:
    def all_arrived() -> bool:
        return len(many.arrivals()) >= sent

    wait_until(all_arrived, DRAIN_TIMEOUT, f"{sent} events", interval=1)
    return [arrived - inserted for _, inserted, arrived in many.arrivals()]


def trouble(bench: Bench) -> Outcome:
    """One of 50 sources stopped, frozen, then lagging."""
    count, seconds = bench.size(50, 6), bench.size(30, 2)
    backlog, settle = bench.size(50, 2), bench.size(4, 1)
    with new_cluster("victim", 100) as victim, shards(bench.servers, count - 1) as healthy:
        faulty = _faulty_shard(victim)
        everything = Shards(bench.servers, healthy.target, (*healthy.sources, faulty))
        stream = Stream(healthy.sources, EVENTS)
        faults: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "none": (lambda: None, lambda: None),
            "stopped": (partial(victim.stop, "fast"), victim.start),
            "frozen": (victim.freeze, victim.thaw),
            "lagging": (partial(_build_backlog, faulty, backlog), lambda: None),
        }
        spans: dict[str, tuple[float, float]] = {}
        with _mover(everything, count - 1), stream.running():
            for fault, (begin, end) in faults.items():
                started = time.time()
                begin()
                time.sleep(max(0.0, started + seconds - time.time()))
                spans[fault] = (started, time.time())
                end()
                time.sleep(settle)
        arrivals = [a for a in healthy.arrivals() if a[0] != faulty.name]
    figures = {
        fault: _percentiles([b - a for _, a, b in arrivals if since <= a < until])
        for fault, (since, until) in spans.items()
    }
    return _outcome(count, figures)


def _outcome(count: int, figures: dict[str, tuple[float, float]]) -> Outcome:
    worst = max(last for _, last in figures.values()) / figures["none"][1]
    return Outcome(
        f"A fault in one of {count} sources: the lag of the other {count - 1}",
        (
            Finding(
                f"one of {count} sources stopped, frozen (SIGSTOP) and lagging",
                f"p99 lag of the other {count - 1} within 1.2x",
                f"at worst {worst:.2f}x",
                worst <= 1.2,
            ),
        ),
        ("fault in one source", "p50 of the others, s", "p99 of the others, s"),
        tuple((fault, f"{a:.2f}", f"{b:.2f}") for fault, (a, b) in figures.items()),
        (
            Chart(
                "trouble",
                "Lag of the others during a fault in one source: p50; the line extends to p99",
                "seconds",
                tuple(Bar(fault, a, a, b) for fault, (a, b) in figures.items()),
            ),
        ),
    )


def _percentiles(lags: list[float]) -> tuple[float, float]:
    return percentile(lags, 50), percentile(lags, 99)


def _faulty_shard(cluster: Cluster) -> Shard:
    database = cluster.create_database("faulty", template=TEMPLATE)
    with database.connect() as conn:
        queues.create_queue(conn, "q00", ticker_max_count=1, ticker_max_lag="0")
    return Shard("faulty", database, "q00")


def _build_backlog(shard: Shard, ticks: int) -> None:
    with shard.database.connect() as conn:
        for _ in range(ticks):
            queues.produce(conn, shard.queue, 20_000, label=shard.name)
            queues.tick(conn, shard.queue)
