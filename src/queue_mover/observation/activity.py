"""The process of a mover, what its sessions wait for, its speed and its last error."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import LiteralString

from psycopg import conninfo
from psycopg.rows import class_row

from queue_mover.config.settings import MoverSettings
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.locks import lock_key
from queue_mover.system.pidfile import running_pid
from queue_mover.system.process_owner import owner
from queue_mover.system.process_ports import local_ports

RETRYING = 90.0
"""Seconds for which a mover counts as retrying after it recorded an error: it repeats that every
30 s, plus the longest wait between two attempts."""


class State(Enum):
    """Whether a source's mover runs; the values are part of the JSON shape."""

    HERE = "running_here"
    """The pidfile of the config names a live process."""
    STANDBY = "standing_by"
    """The same, while another mover holds the consumer's lock."""
    ELSEWHERE = "running_elsewhere"
    """A session of the job's application_name is connected, of a process that no pidfile names."""
    RETRYING = "retrying"
    """Neither, but a mover has recorded within a minute or so that it keeps failing."""
    STOPPED = "not_running"
    UNKNOWN = "unknown"
    """A database cannot be read, and no process runs here."""


@dataclass(frozen=True, slots=True)
class Process:
    """The live process that a pidfile names."""

    pid: int
    ports: frozenset[int]
    """Its local TCP ports; empty: not known."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a mover on one of its servers, or one that blocks it."""

    pid: int
    application: str
    address: str
    """Of the client; empty: hidden from this role."""
    port: int | None
    state: str
    """As in pg_stat_activity; empty: hidden."""
    since: float | None
    """Seconds since its transaction began, else since it became what it is."""
    wait_type: str
    wait: str
    """What it waits for, as in pg_stat_activity; empty: nothing, so it computes."""
    holds_lock: bool
    """Whether it holds the consumer's lock: it moves a batch."""
    is_near: bool
    """Whether its client is on the machine that the status is run on."""
    blocked_by: tuple[int, ...]

    @property
    def waits_for_client(self) -> bool:
        """Whether the server has nothing to do: it waits for the mover."""
        return self.wait_type == "Client" or self.state.startswith("idle")

    @property
    def words(self) -> str:
        """The session, as messages name it."""
        where = f" from {self.address}" if self.address else ""
        return f"pid {self.pid} ({self.application or 'no name'}{where})"


@dataclass(frozen=True, slots=True)
class LastError:
    """What a mover has recorded about its last error. Ages are in seconds."""

    message: str
    host: str
    pid: int
    began: float
    seen: float
    """Since the mover last recorded that it persists."""
    recovered: float | None
    """Since the recovery; None: not known to have recovered."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known of the mover of one source."""

    process: Process | None = None
    """None: none runs here."""
    source: tuple[Session, ...] = ()
    """The job's sessions on the source, which sources in one database share."""
    target: tuple[Session, ...] = ()
    """The same on the target, and the session that holds the consumer's lock."""
    blockers: tuple[Session, ...] = ()
    """The sessions that block those on the target."""
    since_batch: float | None = None
    """Seconds since the last batch arrived; None: not known, or there was none."""
    events_per_second: float | None = None
    """Over the last minutes; None: not known."""
    last_error: LastError | None = None
    records: bool = field(default=False)
    """Whether the target records the two above, and this role may read them."""

    @property
    def holder(self) -> Session | None:
        """The session that moves a batch right now."""
        return next((each for each in self.target if each.holds_lock), None)

    @property
    def busy(self) -> Session | None:
        """The session on the target that the job waits for most: blocked, or at work."""
        busy = [each for each in self.target if not each.waits_for_client]
        busy.sort(key=lambda each: (not each.blocked_by, -(each.since or 0)))
        return busy[0] if busy else None

    @property
    def failing(self) -> LastError | None:
        """The last error, where the mover has not recovered from it."""
        error = self.last_error
        return error if error and error.recovered is None else None

    @property
    def is_standby(self) -> bool:
        """Whether the process here stands by for another one."""
        holder = self.holder
        return bool(self.process and holder and not self._is_own(holder, self.target))

    @property
    def others(self) -> tuple[Session, ...]:
        """The sessions of movers that do not run in the process here."""
        found = [each for each in self.source if not self._is_own(each, self.source)]
        if self.holder and not self._is_own(self.holder, self.target):
            found.insert(0, self.holder)
        return tuple(found)

    def state(self, *, readable: bool) -> State:
        """Whether the mover runs. `readable`: whether both databases could be read."""
        if self.process:
            return State.STANDBY if self.is_standby else State.HERE
        if self.others:
            return State.ELSEWHERE
        if self.failing and self.failing.seen < RETRYING:
            return State.RETRYING
        return State.STOPPED if readable else State.UNKNOWN

    def _is_own(self, session: Session, all_of_them: Sequence[Session]) -> bool:
        """Whether a session belongs to the process here: by its port, where that can be known. A
        pooler has other ports; then by the machine."""
        if self.process is None:
            return False
        ports = self.process.ports
        if any(each.port in ports for each in all_of_them):
            return session.port in ports
        return session.is_near


def running_here(movers: Sequence[MoverSettings]) -> dict[Path | None, Process]:
    """The live processes that the movers' pidfiles name."""
    files = {mover.process.pidfile for mover in movers}
    found = ((path, _process(path)) for path in files if path)
    return {path: process for path, process in found if process}


def _process(path: Path) -> Process | None:
    try:
        text = path.read_text(errors="replace")[:64].strip()
    except OSError:
        return None
    # A test that takes the lock, even for a moment, could make a start fail.
    if owner(text) is None:
        return None
    pid = running_pid(path)
    return Process(pid, local_ports(pid)) if pid else None


_SESSIONS: LiteralString = """
    with holders as (
        select pid from pg_locks
         where locktype = 'advisory' and granted and objsubid = 1
           and database = (select oid from pg_database where datname = current_database())
           and classid::bigint = %(high)s and objid::bigint = %(low)s)
    select a.pid,
           coalesce(a.application_name, '') as application,
           coalesce(host(a.client_addr), case when a.client_port = -1 then 'local socket' end, '')
             as address,
           nullif(a.client_port, -1) as port,
           coalesce(a.state, '') as state,
           extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.state_change))::float8
             as since,
           coalesce(a.wait_event_type, '') as wait_type,
           coalesce(a.wait_event, '') as wait,
           exists (select from holders h where h.pid = a.pid) as holds_lock,
           coalesce(host(a.client_addr), '') = coalesce(host(own.client_addr), '') as is_near,
           case when a.wait_event_type = 'Lock' then pg_blocking_pids(a.pid) else '{}' end
             as blocked_by
      from pg_stat_activity a
      join pg_stat_activity own on own.pid = pg_backend_pid()
     where a.pid <> own.pid
       and (%(pids)s::int[] is not null and a.pid = any(%(pids)s)
            or %(pids)s::int[] is null
               and a.datname = current_database() and a.backend_type = 'client backend'
               and (a.application_name = %(application)s
                    or exists (select from holders h where h.pid = a.pid)))
     order by a.pid
"""


def read_source(src: Connection, mover: MoverSettings, known: Activity) -> Activity:
    """Add what the source shows."""
    route = mover.route
    key = lock_key("source", route.queue, route.consumer)
    return replace(known, source=_sessions(src, key, application_name(mover.src_db, mover)))


def read_target(dst: Connection, mover: MoverSettings, known: Activity) -> Activity:
    """Add what the target shows."""
    key = lock_key("target", mover.route.consumer)
    found = _sessions(dst, key, application_name(mover.dst_db, mover))
    blocking = [pid for each in found for pid in each.blocked_by]
    blockers = _sessions(dst, key, "", blocking) if blocking else ()
    return _read_records(dst, mover, replace(known, target=found, blockers=blockers))


def application_name(text: str, mover: MoverSettings) -> str:
    """The application_name of a mover's sessions: the job's, unless the connect string has one."""
    given = conninfo.conninfo_to_dict(text).get("application_name")
    return str(given or mover.process.job_name)


def _sessions(
    connection: Connection, key: int, application: str, pids: Sequence[int] | None = None
) -> tuple[Session, ...]:
    bits = key & 0xFFFF_FFFF_FFFF_FFFF
    values = {
        "high": bits >> 32,
        "low": bits & 0xFFFF_FFFF,
        # PostgreSQL truncates names.
        "application": application.encode()[:63].decode(errors="ignore"),
        "pids": None if pids is None else list(pids),
    }
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        rows = cursor.execute(_SESSIONS, values).fetchall()
    return tuple(replace(row, blocked_by=tuple(row.blocked_by)) for row in rows)


def _read_records(dst: Connection, mover: MoverSettings, known: Activity) -> Activity:
    row = dst.execute(
        "select has_function_privilege("
        "to_regprocedure('queue_mover.get_activity(text)'), 'execute')"
    ).fetchone()
    if row != (True,):
        return known
    row = dst.execute(
        """
        select since_batch, events_per_second, message, host, pid,
               error_began, error_seen, error_recovered
          from queue_mover.get_activity(%s)
        """,
        [mover.route.consumer],
    ).fetchone()
    assert row is not None
    since_batch, rate, message, *rest = row
    error = None if message is None else LastError(message, *rest)
    return replace(
        known,
        since_batch=since_batch,
        events_per_second=rate,
        last_error=error,
        records=True,
    )
