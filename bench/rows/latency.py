"""The time from the insert on the source to the commit on the target."""

import threading
import time

from psycopg import sql

from bench import workload
from bench.contenders import Service, ancestors_design, queue_mover
from bench.figures import percentile
from bench.outcome import Bar, Chart, Finding, Outcome
from bench.race import in_turn
from bench.row import Bench
from bench.workload import QUEUE, TARGET_QUEUE, Workload
from testbed import queues
from testbed.ticker import start_pgqd

RATE = 100
PERIOD = 0.1
LOOP_DELAY = 0.1


def run(bench: Bench) -> Outcome:
    """Ours and the ancestor, taking turns."""
    seconds = bench.size(20, 2)
    contenders = [queue_mover(), ancestors_design()]
    lags: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    with workload.no_events(bench.servers) as stream:
        ticker = start_pgqd(bench.servers.source, [stream.source.name], ticker_period=PERIOD)
        with ticker:
            for contender in in_turn(contenders, bench.repeats(3)):
                lags[contender.name] += lags_of(stream, contender, seconds, LOOP_DELAY)
            ticker.stop()
    figures = {
        name: tuple(percentile(values, p) * 1000 for p in (50, 99)) for name, values in lags.items()
    }
    limit = (PERIOD + LOOP_DELAY + 0.05) * 1000
    middle = figures[contenders[0].name][0]
    return Outcome(
        f"Latency at {RATE} events/s, ticker every {PERIOD} s, loop_delay {LOOP_DELAY} s",
        (
            Finding(
                f"insert to arrival, {RATE} events/s, p50 and p99",
                f"p50 at most {limit:.0f} ms (tick period + loop_delay + 50 ms)",
                "; ".join(f"{n}: {a:.0f} and {b:.0f} ms" for n, (a, b) in figures.items()),
                middle <= limit,
            ),
        ),
        ("contender", "p50, ms", "p99, ms", "events"),
        tuple(
            (name, f"{a:.0f}", f"{b:.0f}", f"{len(lags[name]):,}")
            for name, (a, b) in figures.items()
        ),
        (
            Chart(
                "latency",
                "From insert to arrival: p50; the line extends to p99",
                "milliseconds",
                tuple(Bar(name, a, a, b) for name, (a, b) in figures.items()),
            ),
        ),
    )


def lags_of(stream: Workload, contender: Service, seconds: float, loop_delay: float) -> list[float]:
    """Run a contender on a steady stream; returns the seconds that each event took."""
    with stream.source.connect() as conn:
        stream.first_tick = queues.tick(conn, QUEUE)
    contender.prepare(stream)
    with contender.running(stream, loop_delay):
        time.sleep(2)
        inserted = _insert(stream, seconds)
        time.sleep(1.5)
    with stream.target.connect() as conn:
        table = queues.qualified(queues.queue_table(conn, TARGET_QUEUE))
        rows = conn.execute(
            sql.SQL(
                "select extract(epoch from pg_xact_commit_timestamp(xmin) - ev_time)::float"
                " from {} where ev_type = 'lag'"
            ).format(table)
        ).fetchall()
    if len(rows) != inserted:
        raise RuntimeError(f"{contender.name}: {len(rows)} of {inserted} events arrived")
    return [row[0] for row in rows]


def _insert(stream: Workload, seconds: float) -> int:
    wait = threading.Event()
    started = time.monotonic()
    count = int(seconds * RATE)
    with stream.source.connect() as conn:
        for number in range(count):
            wait.wait(max(0.0, started + number / RATE - time.monotonic()))
            conn.execute("select pgq.insert_event(%s, 'lag', %s)", [QUEUE, str(number)])
    return count
