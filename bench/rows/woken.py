"""Movers that are woken by ticks, and movers that poll every loop_delay."""

import time

from bench import workload
from bench.contenders import queue_mover
from bench.figures import percentile
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.rows.latency import PERIOD, RATE, lags_of
from bench.shards import Shards, shards, wait_for_connections
from queue_mover.admin.announcing import announce_ticks
from testbed.database import Database, value
from testbed.process_usage import Usage, watch
from testbed.queues import install_pgq_ext
from testbed.ticker import start_pgqd

LOOP_DELAY = 1.0
SETTLE = 80
"""Seconds until each source was checked once for missing ticks, after which it is rare."""
MODES = ("woken", "polling")


def latency(bench: Bench) -> Outcome:
    """Insert to arrival with a loop_delay of a second."""
    seconds = bench.size(20, 2)
    figures: dict[str, tuple[float, float]] = {}
    for mode in MODES:
        with workload.no_events(bench.servers) as stream:
            if mode == "woken":
                _announce(stream.source)
            ticker = start_pgqd(bench.servers.source, [stream.source.name], ticker_period=PERIOD)
            with ticker:
                found = lags_of(stream, queue_mover(), seconds, LOOP_DELAY)
                ticker.stop()
        figures[mode] = (1000 * percentile(found, 50), 1000 * percentile(found, 99))
    p50, p99 = figures["woken"]
    return Outcome(
        f"Latency at {RATE} events/s, ticker every {PERIOD} s, loop_delay {LOOP_DELAY:.0f} s",
        (
            Finding(
                f"insert to arrival, {RATE} events/s, loop_delay {LOOP_DELAY:.0f} s, woken",
                "p50 at most 65 ms, p99 at most 130 ms",
                f"p50 {p50:.0f} ms, p99 {p99:.0f} ms",
                p50 <= 65 and p99 <= 130,
            ),
        ),
        ("mover", "p50, ms", "p99, ms"),
        tuple((mode, f"{a:.0f}", f"{b:.0f}") for mode, (a, b) in figures.items()),
    )


def idle(bench: Bench) -> Outcome:
    """1,000 idle sources: 50 databases of 20 queues."""
    databases, each, seconds = bench.size(50, 4), bench.size(20, 5), bench.size(120, 3)
    usages: dict[str, tuple[Usage, float]] = {}
    with shards(bench.servers, databases, each) as many:
        many.register(None)
        for mode in ("polling", "woken"):
            if mode == "woken":
                for name in {
                    shard.database.name: shard.database for shard in many.sources
                }.values():
                    _announce(name)
            usages[mode] = _idle(many, seconds)
    count = databases * each
    usage, rate = usages["woken"]
    return Outcome(
        f"{count:,} idle sources, loop_delay {LOOP_DELAY:.0f} s",
        (
            Finding(
                f"{count:,} idle sources, woken",
                "at most 1% of one core, at most 0.05 statements per second and source",
                f"{100 * usage.load:.1f}%, {rate:.3f}",
                usage.load <= 0.01 and rate <= 0.05,
            ),
        ),
        ("mover", "CPU, % of one core", "memory, MiB", "statements per second and source"),
        tuple(
            (mode, f"{100 * usage.load:.1f}", f"{usage.memory:.0f}", f"{rate:.3f}")
            for mode, (usage, rate) in usages.items()
        ),
    )


def _idle(many: Shards, seconds: float) -> tuple[Usage, float]:
    wanted = len(many.sources)
    with many.one_process(LOOP_DELAY) as mover:
        wait_for_connections(many.servers.source, wanted)
        time.sleep(SETTLE)
        before = _transactions(many)
        usage = watch([mover.pid], seconds)
        # Statistics arrive within a second.
        time.sleep(1)
        return usage, (_transactions(many) - before) / usage.wall / wanted


def _transactions(many: Shards) -> int:
    """How many the sources have committed: an idle mover sends single statements."""
    statement = "select sum(xact_commit) from pg_stat_database where datname like 'shard%%'"
    with many.servers.source.connect() as conn:
        return int(value(conn, statement.replace("%%", "%")))


def _announce(database: Database) -> None:
    with database.connect() as conn:
        install_pgq_ext(conn)
        announce_ticks(conn)
