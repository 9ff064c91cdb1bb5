"""A steady stream from many sources; then with one of them in trouble."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.figures import percentile
from bench.outcome import Bar, Chart, Finding, Outcome
from bench.row import Bench
from bench.servers import new_cluster
from bench.shards import COMMAND, Shard, Shards, shards
from bench.stream import Stream
from testbed import queues
from testbed.cluster import Cluster
from testbed.processes import Process, wait_until
from testbed.procfs import cpu_seconds
from testbed.servers import TEMPLATE

EVENTS = 20
DRAIN = 30
"""Seconds that the last events get to arrive."""


def steady(bench: Bench) -> Outcome:
    """200 sources, a tick a second, for a minute."""
    count, seconds = bench.size(200, 6), bench.size(60, 3)
    with shards(bench.servers, count) as many, _mover(many, count) as mover:
        stream = Stream(many.sources, EVENTS)
        used, most = cpu_seconds(mover.pid), 0
        with stream.running():
            ending = time.monotonic() + seconds
            while time.monotonic() < ending:
                most = max(most, many.target_connections())
                time.sleep(0.25)
        cpu = (cpu_seconds(mover.pid) - used) / seconds
        lags = _lags(many, stream.sent)
    middle, last = percentile(lags, 50), percentile(lags, 99)
    return Outcome(
        f"{count} sources, a tick of {EVENTS} events a second in each, for {seconds} s",
        (
            Finding(
                f"{count} sources x 1 tick per second x {EVENTS} events",
                "keeps up, p99 arrival lag under 3 s, at most 4 target connections",
                f"p99 {last:.2f} s, {most} target connections",
                last < 3 and most <= 4,
            ),
        ),
        ("events", "p50, s", "p99, s", "worst, s", "target connections", "CPU, % of one core"),
        (
            (
                f"{len(lags):,}",
                f"{middle:.2f}",
                f"{last:.2f}",
                f"{max(lags):.2f}",
                str(most),
                f"{100 * cpu:.0f}",
            ),
        ),
        notes=(f"The stream itself was late by {stream.late:.2f} s at worst.",),
    )


@contextlib.contextmanager
def _mover(many: Shards, connected: int) -> Iterator[Process]:
    many.register(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ini = many.ini(folder, {"loop_delay": "1"})
        with Process([*COMMAND, ini], folder, name="mover") as mover:
            wait_until(
                lambda: many.source_connections() >= connected, 120, "connections", interval=0.5
            )
            time.sleep(2)
            yield mover


def _lags(many: Shards, sent: int) -> list[float]:
    def all_there() -> bool:
        return len(many.arrivals()) >= sent

    wait_until(all_there, DRAIN, f"{sent} events", interval=1)
    return [arrived - inserted for _, inserted, arrived in many.arrivals()]


def trouble(bench: Bench) -> Outcome:
    """One of 50 sources stopped, frozen, and lagging."""
    count, seconds = bench.size(50, 6), bench.size(30, 2)
    backlog, settle = bench.size(50, 2), bench.size(4, 1)
    victim = new_cluster("victim", 100)
    with contextlib.closing(_Closing(victim)), shards(bench.servers, count - 1) as healthy:
        odd = _odd_one(victim)
        all_of_them = Shards(bench.servers, healthy.target, (*healthy.sources, odd))
        stream = Stream(healthy.sources, EVENTS)
        faults: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "none": (lambda: None, lambda: None),
            "stopped": (partial(victim.stop, "fast"), partial(_start, victim)),
            "frozen": (victim.freeze, victim.thaw),
            "lagging": (partial(_pile_up, odd, backlog), lambda: None),
        }
        spans: dict[str, tuple[float, float]] = {}
        with _mover(all_of_them, count - 1), stream.running():
            for fault, (begin, end) in faults.items():
                started = time.time()
                begin()
                time.sleep(max(0.0, started + seconds - time.time()))
                spans[fault] = (started, time.time())
                end()
                time.sleep(settle)
        arrivals = [a for a in healthy.arrivals() if a[0] != odd.name]
    figures = {
        fault: _percentiles([b - a for _, a, b in arrivals if since <= a < until])
        for fault, (since, until) in spans.items()
    }
    return _tell(count, figures)


def _tell(count: int, figures: dict[str, tuple[float, float]]) -> Outcome:
    worst = max(last for _, last in figures.values()) / figures["none"][1]
    return Outcome(
        f"One of {count} sources in trouble: the lag of the other {count - 1}",
        (
            Finding(
                f"one of {count} sources stopped, frozen (SIGSTOP) and lagging",
                f"p99 lag of the other {count - 1} within 1.2x",
                f"at worst {worst:.2f}x",
                worst <= 1.2,
            ),
        ),
        ("trouble of one source", "p50 of the others, s", "p99 of the others, s"),
        tuple((fault, f"{a:.2f}", f"{b:.2f}") for fault, (a, b) in figures.items()),
        (
            Chart(
                "trouble",
                "Lag of the others while one source is in trouble: p50, the line reaches to p99",
                "seconds",
                tuple(Bar(fault, a, a, b) for fault, (a, b) in figures.items()),
            ),
        ),
    )


def _percentiles(lags: list[float]) -> tuple[float, float]:
    return percentile(lags, 50), percentile(lags, 99)


class _Closing:
    """A cluster as something that can be closed."""

    def __init__(self, cluster: Cluster) -> None:
        self.close = cluster.destroy


def _start(cluster: Cluster) -> None:
    cluster.start()


def _odd_one(cluster: Cluster) -> Shard:
    database = cluster.create_database("odd", template=TEMPLATE)
    with database.connect() as conn:
        queues.create_queue(conn, "q00", ticker_max_count=1, ticker_max_lag="0")
    return Shard("odd", database, "q00")


def _pile_up(odd: Shard, ticks: int) -> None:
    with odd.database.connect() as conn:
        for _ in range(ticks):
            queues.produce(conn, odd.queue, 20_000, label=odd.name)
            queues.tick(conn, odd.queue)
