"""The programs that move the events. Each run is a whole process, from start to exit."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict

from bench import ancestor
from bench.workload import QUEUE, TARGET_QUEUE, Workload
from testbed.database import value
from testbed.process_usage import Usage, measure
from testbed.processes import Process, script, write_ini
from testbed.programs import postgres_bindir
from testbed.queues import current_table

COLUMNS = "ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4, ev_time"


@dataclass(frozen=True)
class Ports:
    """The proxies' ports, if any; and whether statements are counted."""

    source: int | None = None
    target: int | None = None
    counted: bool = False


class Contender(Protocol):
    """One way to move events."""

    @property
    def name(self) -> str:
        """Its name in the tables."""

    def prepare(self, workload: Workload) -> None:
        """Do what is not measured: registration, the batch's SQL."""

    def run(self, workload: Workload) -> Usage:
        """Move all waiting events."""


@dataclass(frozen=True)
class Service:
    """A program with an ini file like queue_mover3's."""

    name: str
    command: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    ports: Ports = Ports()

    def prepare(self, workload: Workload) -> None:
        """Empty the target, rewind to before the first event."""
        workload.reset(self._consumer)

    def run(self, workload: Workload) -> Usage:
        """Move all waiting events, then exit."""
        with tempfile.TemporaryDirectory() as folder:
            return measure([*self.command, str(self._ini(workload, Path(folder), 0))])

    @contextmanager
    def running(self, workload: Workload, loop_delay: float) -> Iterator[Process]:
        """Keep it running for the duration of the block, then stop it."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ini = self._ini(workload, folder, loop_delay)
            with Process([*self.command, ini], folder, name="mover") as mover:
                yield mover
                mover.stop()

    def _ini(self, workload: Workload, folder: Path, loop_delay: float) -> Path:
        ports, counted = self.ports, self.ports.counted
        values: dict[str, object] = {
            "job_name": self._consumer,
            "src_db": workload.source_conninfo(port=ports.source, counted=counted),
            "dst_db": workload.target_conninfo(port=ports.target, counted=counted),
            "queue_name": QUEUE,
            "dst_queue_name": TARGET_QUEUE,
            "loop_delay": loop_delay,
            **self.settings,
        }
        return write_ini(folder / f"{self._consumer}.ini", "queue_mover3", values)

    @property
    def _consumer(self) -> str:
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


def queue_mover(name: str = "queue_mover3", ports: Ports = Ports(), **settings: str) -> Service:
    """Ours, as installed."""
    return Service(name, [script("queue_mover3")], settings, ports)


def ancestors_design(name: str = "ancestor's design", ports: Ports = Ports()) -> Service:
    """The ancestor's design on its own libraries."""
    return Service(name, ancestor.command(), {}, ports)


def _psql(conninfo: str, *statements: str) -> list[str]:
    words = [str(postgres_bindir() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", conninfo]
    for statement in statements:
        words += ["-c", statement]
    return words


def _batch_select(workload: Workload, consumer: str) -> str:
    """Start one batch of all waiting events, and return the SQL that selects them.

    If asked for more than half of them, `pgq.next_batch_custom` takes all.
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
class PsqlPipe:
    """`psql` COPY piped into `psql` COPY: one batch, no position, no bookkeeping."""

    name: str = "psql | psql"
    _commands: tuple[list[str], list[str]] = ([], [])

    def prepare(self, workload: Workload) -> None:
        """Empty the target, fetch the batch's SQL."""
        workload.reset("psql")
        select = _batch_select(workload, "psql")
        with workload.target.connect() as conn:
            table = _event_table(conn)
        self._commands = (
            _psql(workload.source_conninfo(), f"copy ({select}) to stdout (format binary)"),
            _psql(
                workload.target_conninfo(), f"copy {table} ({COLUMNS}) from stdin (format binary)"
            ),
        )

    def run(self, workload: Workload) -> Usage:
        """Copy the batch."""
        return measure(*self._commands)


@dataclass
class ForeignTable:
    """INSERT … SELECT on the target, from a foreign table over the batch's SQL."""

    name: str = "postgres_fdw"
    _command: Sequence[str] = ()

    def prepare(self, workload: Workload) -> None:
        """Empty the target, define the foreign table."""
        workload.reset("fdw")
        select = _batch_select(workload, "fdw").replace(COLUMNS, f"ev_id, {COLUMNS}", 1)
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
        """Copy the batch."""
        return measure(self._command)
