"""Small batches of many sources: in shared transactions on the target, and in one each."""

import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench import reader
from bench.figures import percentile, ratio, spread
from bench.outcome import Finding, Outcome
from bench.race import in_turn
from bench.row import Bench
from bench.shards import COMMAND, Shards, shards, wait_for_connections
from bench.stream import Stream
from testbed import queues
from testbed.cluster import Cluster
from testbed.database import value
from testbed.process_usage import measure
from testbed.processes import wait_until
from testbed.procfs import child_processes, cpu_seconds
from testbed.proxy import Proxy

EVENTS = 20
DATABASES = 10
DELAY = 0.005
"""Seconds added to each answer of a distant target."""
FIRST_TICK = 1
READER = (sys.executable, reader.__file__)
LIMIT = "the sources' part alone, without a target"
MOVED = re.compile(r"\{count: [1-9]")
"""Of a batch with events, in the mover's log."""


@dataclass
class Contender:
    """The program, sharing or not, and what it has used."""

    name: str
    share: int
    walls: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    server_cpu: list[float] = field(default_factory=list)
    mover_cpu: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


def _contenders() -> tuple[Contender, Contender]:
    return Contender("shared transactions", 1), Contender("one transaction for each batch", 0)


def steady(bench: Bench) -> Outcome:
    """500 sources, a tick of 20 events a second in each."""
    each, seconds = bench.size(50, 2), bench.size(60, 3)
    sharing, alone = _contenders()
    with shards(bench.servers, DATABASES, each) as many:
        for contender in in_turn([sharing, alone], bench.repeats(1)):
            _stream(many, contender, seconds)
        limit = _read(many, seconds)
    count = DATABASES * each
    p99, p99_alone = (percentile(each.lags, 99) for each in (sharing, alone))
    commits = ratio(sharing.commits, alone.commits)
    server, mover = (
        ratio(sharing.server_cpu, alone.server_cpu),
        ratio(sharing.mover_cpu, alone.mover_cpu),
    )
    work = f"{count} sources, a tick of {EVENTS} events a second in each, {seconds} s"
    return Outcome(
        work,
        (
            Finding(
                f"{work}: commits on the target per batch",
                "at most 0.1x of one transaction for each batch",
                commits.show(2, "x"),
                commits.middle <= 0.1,
            ),
            Finding(
                "the same: CPU of the target's server per batch",
                "at most 0.33x",
                server.show(2, "x"),
                server.middle <= 0.33,
            ),
            Finding(
                "the same: CPU of the mover per batch",
                "at most 0.6x",
                mover.show(2, "x"),
                mover.middle <= 0.6,
            ),
            Finding(
                f"{LIMIT}: CPU per batch",
                "to see the limit",
                f"{limit / spread(alone.mover_cpu).middle:.2f}x",
                None,
            ),
            Finding(
                "the same: p99 arrival lag",
                "no worse",
                f"{p99:.2f} s, {p99_alone:.2f} s without",
                p99 <= p99_alone * 1.02,
            ),
        ),
        (
            "target transactions",
            "commits per batch",
            "server CPU, ms/batch",
            "mover CPU, ms/batch",
            "p99, s",
        ),
        (
            *(
                (
                    each.name,
                    spread(each.commits).show(2),
                    spread(each.server_cpu).show(2),
                    spread(each.mover_cpu).show(2),
                    f"{percentile(each.lags, 99):.2f}",
                )
                for each in (sharing, alone)
            ),
            (LIMIT, "", "", f"{limit:.2f}", ""),
        ),
    )


def _stream(many: Shards, contender: Contender, seconds: float) -> None:
    many.register(None)
    server = many.servers.target
    with many.one_process(1, share_transactions=contender.share) as mover:
        _settle(many)
        stream = Stream(many.sources, EVENTS)
        before = _committed(many), _cpu(server), cpu_seconds(mover.pid)
        with stream.running():
            time.sleep(seconds)
        wait_until(lambda: len(many.arrivals()) >= stream.sent, 60, "all events", interval=2)
        used = _cpu(server) - before[1], cpu_seconds(mover.pid) - before[2]
        # A mover that is late moves several ticks in one batch.
        batches = len(MOVED.findall(mover.stderr))
        contender.server_cpu.append(1000 * used[0] / batches)
        contender.mover_cpu.append(1000 * used[1] / batches)
    time.sleep(1)
    contender.commits.append((_committed(many) - before[0]) / batches)
    contender.lags += [arrived - inserted for _, inserted, arrived in many.arrivals()]


def _read(many: Shards, seconds: float) -> float:
    """CPU milliseconds for each batch that is only read."""
    many.register(None)
    with many.one_process(1, command=READER) as process:
        _settle(many)
        before = cpu_seconds(process.pid)
        stream = Stream(many.sources, EVENTS)
        with stream.running():
            time.sleep(seconds)
        time.sleep(2)
        used = cpu_seconds(process.pid) - before
        process.stop()
        return 1000 * used / int(process.stdout)


def _settle(many: Shards) -> None:
    """Wait until all sources are connected and idle."""
    wait_for_connections(many.servers.source, len(many.sources))
    time.sleep(3)


def _committed(many: Shards) -> int:
    with many.target.connect() as conn:
        statement = "select xact_commit from pg_stat_database where datname = current_database()"
        return int(value(conn, statement))


def _cpu(cluster: Cluster) -> float:
    """CPU seconds of a server with the backends that are running."""
    return sum(cpu_seconds(pid) for pid in (cluster.pid, *child_processes(cluster.pid)))


def waiting(bench: Bench) -> Outcome:
    """500 sources with ticks waiting, one tick a batch; then a distant target."""
    each, ticks = bench.size(50, 2), bench.size(40, 5)
    near, far = _contenders(), _contenders()
    with shards(bench.servers, DATABASES, each) as many:
        _fill(many, ticks)
        for contender in in_turn(list(near), bench.repeats(1)):
            contender.walls.append(_drain(many, contender, ticks))
        limit = _read_all(many)
        with Proxy(bench.servers.target.port, DELAY) as proxy:
            for contender in in_turn(list(far), bench.repeats(1)):
                contender.walls.append(_drain(many, contender, ticks, proxy))
    count = DATABASES * each
    speed, far_speed = (ratio(alone.walls, shared.walls) for shared, alone in (near, far))
    return Outcome(
        f"{count} sources with ticks of {EVENTS} events waiting, one tick a batch",
        (
            Finding(
                f"{count} sources x {ticks} ticks of {EVENTS} events waiting, one tick a batch",
                "at least 2.5x the batches per second of one transaction for each batch",
                speed.show(2, "x"),
                speed.middle >= 2.5,
            ),
            Finding(
                LIMIT,
                "to see the limit",
                f"{spread(near[1].walls).middle / limit:.2f}x",
                None,
            ),
            Finding(
                f"the same, a target {1000 * DELAY:.0f} ms away",
                "at least 10x",
                far_speed.show(2, "x"),
                far_speed.middle >= 10,
            ),
        ),
        ("target", "transactions", "seconds", "batches/s"),
        (
            *_lines("near", near, count * ticks),
            ("", LIMIT, f"{limit:.2f}", f"{count * ticks / limit:,.0f}"),
            *_lines(f"{1000 * DELAY:.0f} ms away", far, count * ticks),
        ),
    )


def _lines(target: str, contenders: Sequence[Contender], batches: int) -> Iterator[tuple[str, ...]]:
    for each in contenders:
        walls = spread(each.walls)
        yield target, each.name, walls.show(), f"{batches / walls.middle:,.0f}"


def _fill(many: Shards, ticks: int) -> None:
    with contextlib.ExitStack() as stack:
        conns: dict[str, object] = {}
        for shard in many.sources:
            if shard.database.name not in conns:
                conns[shard.database.name] = stack.enter_context(shard.database.connect())
            conn = conns[shard.database.name]
            for _ in range(ticks):
                queues.produce(conn, shard.queue, EVENTS, label=shard.name)  # type: ignore[arg-type]
                queues.tick(conn, shard.queue)  # type: ignore[arg-type]


def _drain(many: Shards, contender: Contender, ticks: int, proxy: Proxy | None = None) -> float:
    many.register(FIRST_TICK)
    settings: dict[str, object] = {"share_transactions": contender.share, "max_batch_events": 0}
    if proxy:
        settings["dst_db"] = _through(many, proxy)
    with tempfile.TemporaryDirectory() as name:
        ini = many.ini(Path(name), 0, None, **settings)
        wall = measure([*COMMAND, str(ini)]).wall
    if (arrived := len(many.arrivals())) != len(many.sources) * ticks * EVENTS:
        raise RuntimeError(f"{arrived} events arrived")
    return wall


def _read_all(many: Shards) -> float:
    """Seconds in which all waiting batches are only read."""
    many.register(FIRST_TICK)
    with tempfile.TemporaryDirectory() as name:
        ini = many.ini(Path(name), 0, None, max_batch_events=0)
        return measure([*READER, str(ini)]).wall


def _through(many: Shards, proxy: Proxy) -> str:
    given = conninfo_to_dict(many.target.conninfo(user="mover")) | {"port": proxy.port}
    return " ".join(f"{key}={text}" for key, text in given.items())
