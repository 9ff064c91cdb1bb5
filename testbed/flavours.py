"""PgQ and PgQue in databases of Debian's PostgreSQL and of PostgreSQL 18."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from queue_mover.admin.install import install
from queue_mover.model import PGQUE, Flavour
from testbed.database import Database, value
from testbed.events import EventSet
from testbed.programs import pgq_sql_file
from testbed.queues import qualified

VARIABLE = "PGQUE_SQL"
"""Of the environment: the path of PgQue's SQL file, which no package has."""

# PgQue takes no zeros.
TICKS_AT_WILL = {"ticker_max_count": 1, "ticker_max_lag": "1us", "ticker_idle_period": "1us"}


def pgque_sql() -> Path | None:
    """PgQue's SQL file; None: the environment does not name one."""
    path = os.environ.get(VARIABLE)
    return Path(path) if path else None


def install_flavour(conn: psycopg.Connection, flavour: Flavour) -> None:
    """Install one, as pgqadm does, with the schemas of a target."""
    conn.execute("set client_min_messages = warning")
    if flavour == PGQUE:
        install(conn, flavours=[PGQUE.schema], pgque_sql=pgque_sql())
    else:
        # PostgreSQL 18 has no extension pgq: the file for every version.
        install(conn, pgq_sql_file())
    conn.execute("reset client_min_messages")


@dataclass(frozen=True)
class Place:
    """A database, and the flavour to use in it."""

    name: str
    database: Database
    flavour: Flavour

    def ask(self, statement: LiteralString, *params: object) -> Any:
        """The first value that a statement returns, as superuser."""
        with self.database.connect() as conn:
            return value(conn, self.flavour.sql(statement), *params)

    def create_queue(self, queue: str) -> None:
        """A queue that ticks whenever it is asked to."""
        self.ask("select {pgq}.create_queue(%s)", queue)
        for setting in TICKS_AT_WILL.items():
            self.ask("select {pgq}.set_queue_config(%s, %s, %s)", queue, *map(str, setting))
        # PgQ overlooks the very first event.
        self.ask("select nextval(queue_event_seq) from {pgq}.queue where queue_name = %s", queue)

    def produce(self, queue: str, count: int, label: str = "event") -> None:
        """Insert events that differ in every field, and tick."""
        self.ask(
            """
            select count({pgq}.insert_event_raw(
                     %s, null, clock_timestamp() + i * interval '1 microsecond', null, null,
                     (array['I', 'U', 'D'])[1 + i %% 3], %s || ' ' || i, 'public.t' || i %% 3,
                     case when i %% 2 = 0 then i::text end, case when i %% 5 = 0 then '' end,
                     case when i %% 7 = 0 then 'ünï ✓ ' || i end))
              from generate_series(1, %s) i
            """,
            queue,
            label,
            count,
        )
        self.tick(queue)

    def tick(self, queue: str) -> None:
        """Tick a queue."""
        self.ask("select {pgq}.ticker(%s)", queue)

    def events(self, queue: str) -> EventSet:
        """The events in a queue's tables."""
        table = self.ask("select queue_data_pfx from {pgq}.queue where queue_name = %s", queue)
        return EventSet(self.database, table)

    def reject(self, queue: str, data: str) -> None:
        """Let a queue's first table take no event with this data."""
        check = sql.SQL("alter table {} add check (ev_data <> {})")
        with self.database.connect() as conn:
            conn.execute(
                check.format(qualified(f"{self.events(queue).table}_0"), sql.Literal(data))
            )
