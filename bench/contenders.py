"""Who brings the events from source to target. Each run is a whole process, start to end."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict

from bench import ancestor
from bench.workload import QUEUE, TARGET_QUEUE, Workload
from testbed.database import value
from testbed.process_usage import Usage, measure
from testbed.processes import script, write_ini
from testbed.programs import postgres_bindir
from testbed.queues import current_table

COLUMNS = "ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4, ev_time"


@dataclass(frozen=True)
class Ports:
    """Where to connect instead: the ports of the proxy; and whether statements are counted."""

    source: int | None = None
    target: int | None = None
    counted: bool = False


class Contender(Protocol):
    """One way to do it."""

    @property
    def name(self) -> str:
        """What it is called in the tables."""

    def prepare(self, workload: Workload) -> None:
        """What is not measured: registration, the batch's SQL."""

    def run(self, workload: Workload) -> Usage:
        """Bring everything that waits."""


@dataclass(frozen=True)
class Service:
    """A program that is configured by an ini file in the manner of queue_mover3."""

    name: str
    command: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    ports: Ports = Ports()

    def prepare(self, workload: Workload) -> None:
        """Empty the target, start before the first event."""
        workload.reset(self._consumer)

    def run(self, workload: Workload) -> Usage:
        """Move all that waits, then exit."""
        with tempfile.TemporaryDirectory() as folder:
            return measure(
                [*self.command, str(self.ini(workload, Path(folder), {"loop_delay": "0"}))]
            )

    def ini(self, workload: Workload, folder: Path, settings: Mapping[str, str]) -> Path:
        """Write its config file."""
        ports, counted = self.ports, self.ports.counted
        values = {
            "job_name": self._consumer,
            "src_db": workload.source_conninfo(port=ports.source, counted=counted),
            "dst_db": workload.target_conninfo(port=ports.target, counted=counted),
            "queue_name": QUEUE,
            "dst_queue_name": TARGET_QUEUE,
            **self.settings,
            **settings,
        }
        return write_ini(folder / f"{self._consumer}.ini", "queue_mover3", values)

    @property
    def _consumer(self) -> str:
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


def queue_mover(name: str = "queue_mover3", ports: Ports = Ports(), **settings: str) -> Service:
    """Ours, as installed."""
    return Service(name, [script("queue_mover3")], settings, ports)


def forebear(name: str = "ancestor's design", ports: Ports = Ports()) -> Service:
    """The ancestor's design."""
    return Service(name, ancestor.command(), {}, ports)


def _psql(conninfo: str, *statements: str) -> list[str]:
    words = [str(postgres_bindir() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", conninfo]
    for statement in statements:
        words += ["-c", statement]
    return words


def batch_select(workload: Workload, consumer: str) -> str:
    """Make one batch of all that waits active, and return the SQL of its events.

    Asked for more than half of them, `pgq.next_batch_custom` takes all.
    """
    with workload.source.connect() as conn:
        events = value(
            conn,
            "select pgq.batch_event_sql(batch_id)"
            " from pgq.next_batch_custom(%s, %s, null, %s, null)",
            QUEUE,
            consumer,
            workload.events // 2 + 1,
        )
    return f"select {COLUMNS} from ({events}) ev order by ev_id"


def _event_table(conn: Connection) -> str:
    return current_table(conn, TARGET_QUEUE).as_string(conn)


@dataclass
class Piped:
    """`psql` COPY piped into `psql` COPY: one batch, no position, no bookkeeping."""

    name: str = "psql | psql"
    _commands: tuple[list[str], list[str]] = ([], [])

    def prepare(self, workload: Workload) -> None:
        """Empty the target, fetch the batch's SQL."""
        workload.reset("psql")
        select = batch_select(workload, "psql")
        with workload.target.connect() as conn:
            table = _event_table(conn)
        self._commands = (
            _psql(workload.source_conninfo(), f"copy ({select}) to stdout (format binary)"),
            _psql(
                workload.target_conninfo(), f"copy {table} ({COLUMNS}) from stdin (format binary)"
            ),
        )

    def run(self, workload: Workload) -> Usage:
        """Copy it."""
        return measure(*self._commands)


@dataclass
class Foreign:
    """INSERT … SELECT on the target, from a foreign table over the batch's SQL."""

    name: str = "postgres_fdw"
    _command: Sequence[str] = ()

    def prepare(self, workload: Workload) -> None:
        """Empty the target, define the foreign table."""
        workload.reset("fdw")
        select = batch_select(workload, "fdw").replace(COLUMNS, f"ev_id, {COLUMNS}", 1)
        with workload.source.connect() as conn:
            conn.execute("drop view if exists public.batch")
            conn.execute(sql.SQL("create view public.batch as {}").format(sql.SQL(select)))
        where = conninfo_to_dict(workload.source_conninfo())
        with workload.target.connect() as conn:
            conn.execute("drop server if exists source cascade")
            conn.execute(
                sql.SQL(
                    "create server source foreign data wrapper postgres_fdw"
                    " options (host {}, port {}, dbname {}, fetch_size '1000')"
                ).format(*(sql.Literal(str(where[key])) for key in ("host", "port", "dbname")))
            )
            conn.execute("create user mapping for public server source options (user 'mover')")
            conn.execute(
                "import foreign schema public limit to (batch) from server source into public"
            )
            table = _event_table(conn)
        insert = (
            f"insert into {table} ({COLUMNS}) select {COLUMNS} from public.batch order by ev_id"
        )
        self._command = _psql(workload.target_conninfo(), insert)

    def run(self, workload: Workload) -> Usage:
        """Copy it."""
        return measure(self._command)
