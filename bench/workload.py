"""Events waiting in a source queue, to be moved again and again."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection, sql

from bench.servers import COUNTED, ROLE, Servers
from testbed import queues
from testbed.database import Database, value

QUEUE = "work"
TARGET_QUEUE = "arrived"

_TICKS: LiteralString = """
do $$
declare
    events_table text;
begin
    for i in 1 .. {ticks} loop
        events_table := pgq.current_event_table({queue});
        execute format('insert into %s (ev_time, ev_type, ev_data, ev_extra1, ev_extra2)
                        select now(), ''I'', rpad(i::text, 100, md5(i::text)), ''public.t'', i::text
                          from generate_series(1, {events}) i', events_table);
        commit;
        perform pgq.ticker({queue});
        commit;
    end loop;
end $$
"""


@dataclass
class Workload:
    """A queue with events after the first tick; every contender gets all of them."""

    servers: Servers
    source: Database
    target: Database
    events: int = 0
    first_tick: int = 0
    target_queues: tuple[str, ...] = (TARGET_QUEUE,)

    def source_conninfo(self, *, port: int | None = None, counted: bool = False) -> str:
        """How a contender connects to the source."""
        return _conninfo(self.source, port, counted=counted)

    def target_conninfo(self, *, port: int | None = None, counted: bool = False) -> str:
        """How a contender connects to the target."""
        return _conninfo(self.target, port, counted=counted)

    def reset(self, consumer: str) -> None:
        """Empty the target, delete the position, rewind the consumer to before the first event."""
        with self.source.connect() as conn:
            conn.execute(
                "select pgq.register_consumer_at(%s, %s, %s)", [QUEUE, consumer, self.first_tick]
            )
        with self.target.connect() as conn:
            conn.execute("select pgq_ext.set_last_tick(%s, null)", [consumer])
            conn.execute("select queue_mover.set_origin(%s, null, null, null)", [consumer])
            for queue in self.target_queues:
                queues.truncate_events(conn, queue)
        self.servers.checkpoint()

    def check(self) -> None:
        """Raise RuntimeError unless all events have arrived."""
        with self.target.connect() as conn:
            count = 0
            for queue in self.target_queues:
                table = queues.qualified(queues.queue_table(conn, queue))
                count += int(value(conn, sql.SQL("select count(*) from {}").format(table)))
        if count != self.events:
            raise RuntimeError(f"{count} of {self.events} events arrived")


def _conninfo(database: Database, port: int | None, *, counted: bool) -> str:
    options = {"options": COUNTED} if counted else {}
    return database.conninfo(user=ROLE, **({"port": port} if port else {}), **options)


@contextlib.contextmanager
def no_events(servers: Servers) -> Iterator[Workload]:
    """A source queue without events, and an empty target queue."""
    with servers.databases() as (source, target):
        with target.connect() as conn:
            queues.create_queue(conn, TARGET_QUEUE)
        with source.connect() as conn:
            # pgq.ticker then ticks as soon as there is an event.
            queues.create_queue(conn, QUEUE, ticker_max_count=1, ticker_max_lag="0")
            first_tick = queues.last_tick(conn, QUEUE)
        yield Workload(servers, source, target, first_tick=first_tick)


@contextlib.contextmanager
def one_batch(servers: Servers, events: int, data_bytes: int) -> Iterator[Workload]:
    """All events between two ticks."""
    with no_events(servers) as workload:
        with workload.source.connect() as conn:
            workload.events = queues.produce(conn, QUEUE, events, data_bytes=data_bytes)
            queues.tick(conn, QUEUE)
        vacuum_source(workload)
        yield workload


@contextlib.contextmanager
def ticks(servers: Servers, count: int, events: int) -> Iterator[Workload]:
    """This many ticks with this many events each, and a snapshot per tick."""
    with no_events(servers) as workload:
        with workload.source.connect() as conn:
            _add_ticks(conn, count, events)
        workload.events = count * events
        vacuum_source(workload)
        yield workload


def _add_ticks(conn: Connection, count: int, events: int) -> None:
    """Insert events and tick, repeatedly; two transactions each time."""
    conn.execute("set synchronous_commit = off")
    conn.execute(
        sql.SQL(_TICKS).format(
            ticks=sql.Literal(count), events=sql.SQL(str(events)), queue=sql.Literal(QUEUE)
        )
    )
    conn.execute("reset synchronous_commit")


def vacuum_source(workload: Workload) -> None:
    """Set hint bits and collect statistics, which the first reader would otherwise pay for."""
    with workload.source.connect() as conn:
        conn.execute("vacuum (analyze, freeze)")
