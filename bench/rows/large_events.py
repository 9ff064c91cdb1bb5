"""A few large events: memory depends on the size of an event, not of the batch."""

import contextlib
from collections.abc import Iterator

from psycopg import Connection, sql

from bench import workload
from bench.contenders import PsqlPipe, queue_mover
from bench.outcome import Finding, Outcome
from bench.race import HEADER, Race
from bench.row import Bench
from bench.servers import Servers
from bench.workload import QUEUE, Workload
from testbed import queues

SMALL = 38
"""MiB that a mover needs for small events."""


def run(bench: Bench) -> Outcome:
    """100 events of 20 MB, and a fifth of that for comparison."""
    megabytes = bench.size(20, 2)
    count = bench.size(100, 25)
    fewer = count // 5
    ours, piped = queue_mover(), PsqlPipe()
    with _large_events(bench.servers, fewer, megabytes) as few:
        before = Race(few, [ours], bench.repeats(2)).memory(ours.name)
    with _large_events(bench.servers, count, megabytes) as many:
        race = Race(many, [ours, piped], bench.repeats(2))
    memory = race.memory(ours.name)
    held = (memory.middle - SMALL) / megabytes
    return Outcome(
        f"{count} events of {megabytes} MB",
        (
            Finding(
                f"{count} events of {megabytes} MB, peak memory",
                "bounded by a few events, not by the batch",
                f"{memory.show(0)} MiB, with {fewer} of them {before.show(0)} MiB:"
                f" about {held:.1f} events at a time",
                memory.middle <= before.middle * 1.1 and held <= 5,
            ),
        ),
        HEADER,
        race.lines(),
    )


@contextlib.contextmanager
def _large_events(servers: Servers, count: int, megabytes: int) -> Iterator[Workload]:
    with workload.no_events(servers) as created:
        with created.source.connect() as conn:
            _insert(conn, count, megabytes * 1_000_000)
            queues.tick(conn, QUEUE)
        created.events = count
        workload.vacuum_source(created)
        yield created


def _insert(conn: Connection, count: int, size: int) -> None:
    for name in queues.event_tables(conn, QUEUE):
        # Not compressed: we do not measure the server's compression.
        conn.execute(sql.SQL("alter table {} alter ev_data set storage external").format(name))
    with conn.transaction():
        conn.execute("select txid_current()")
        conn.execute(
            sql.SQL(
                "insert into {} (ev_time, ev_type, ev_data) select now(), 'L', i || ':' || filler"
                " from (select string_agg(md5(n::text), '') as filler"
                "         from generate_series(1, %s::int / 32) n) f, generate_series(1, %s) i"
            ).format(queues.current_table(conn, QUEUE)),
            [size, count],
        )
