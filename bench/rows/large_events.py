"""A few large events: memory is to be bounded by events, not by the batch."""

import contextlib
from collections.abc import Iterator

from psycopg import Connection, sql

from bench import work
from bench.contenders import Piped, queue_mover
from bench.ground import Ground
from bench.outcome import Finding, Outcome
from bench.race import HEADER, Race
from bench.row import Bench
from bench.work import QUEUE, Work
from testbed import queues

SMALL = 38
"""MiB that a mover of small events has."""


def run(bench: Bench) -> Outcome:
    """100 events of 20 MB, and a fifth of them for comparison."""
    megabytes = bench.size(20, 2)
    count = bench.size(100, 25)
    fewer = count // 5
    ours, piped = queue_mover(), Piped()
    with _large_events(bench.ground, fewer, megabytes) as few:
        before = Race(few, [ours], bench.times(2)).memory(ours.name)
    with _large_events(bench.ground, count, megabytes) as many:
        race = Race(many, [ours, piped], bench.times(2))
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
def _large_events(ground: Ground, count: int, megabytes: int) -> Iterator[Work]:
    with work.empty_work(ground) as made:
        with made.source.connect() as conn:
            _insert(conn, count, megabytes * 1_000_000)
            queues.tick(conn, QUEUE)
        made.events = count
        work.finish_writing(made)
        yield made


def _insert(conn: Connection, count: int, size: int) -> None:
    table = queues.queue_table(conn, QUEUE)
    for number in range(3):
        name = queues.qualified(f"{table}_{number}")
        # Not compressed: the server's work with it is not what is measured.
        conn.execute(sql.SQL("alter table {} alter ev_data set storage external").format(name))
    with conn.transaction():
        row = conn.execute("select txid_current(), pgq.current_event_table(%s)", [QUEUE]).fetchone()
        assert row is not None
        conn.execute(
            sql.SQL(
                "insert into {} (ev_time, ev_type, ev_data) select now(), 'L', i || ':' || filler"
                " from (select string_agg(md5(n::text), '') as filler"
                "         from generate_series(1, %s::int / 32) n) f, generate_series(1, %s) i"
            ).format(queues.qualified(row[1])),
            [size, count],
        )
