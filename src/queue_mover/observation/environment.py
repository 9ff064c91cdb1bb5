"""The environment of a mover's source or target: versions, clock, time zone, pooler, queue."""

import time
from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from queue_mover.model import Flavour
from queue_mover.observation.database import Consumer, Queue, read_consumers, read_queues
from queue_mover.pgq.server import pgq_version
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database
from queue_mover.postgres.pooler import Pooler, find_pooler
from queue_mover.postgres.statements import has_function, schema_exists

CLOCK_READS = 3
"""How often a clock is read; the quickest answer counts."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How far a server's clock is ahead of this machine's; in seconds."""

    ahead: float
    uncertainty: float
    """Half of the round trip, during which the server read its clock."""

    @property
    def most(self) -> float:
        """The most that it can be off by."""
        return abs(self.ahead) + self.uncertainty

    @property
    def difference(self) -> float:
        """The least that it can be off by."""
        return max(0.0, abs(self.ahead) - self.uncertainty)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Version and time zone of a server, as a mover's session gets them."""

    postgresql: str
    version_number: int
    """As server_version_num: 150008."""
    database: str
    time_zone: str
    winter_offset: int
    summer_offset: int
    """East of UTC, in seconds, in January and in July."""


@dataclass(frozen=True, slots=True)
class PgqSchemas:
    """The PgQ of a database, and the schemas beside it."""

    pgq: str | None = None
    """Its version; None: not installed, or it reports none."""
    pgq_is_installed: bool = False
    pgq_ext: str | None = None
    """Its version; None: not installed."""
    pgq_ext_is_ours: bool = False
    """Whether `pgqadm install` made it; False: upstream's, or another program's."""


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """The oldest open transaction that this role can see."""

    who: str
    age: float
    """In seconds."""
    remedy: str
    """The statement that ends it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of one side."""

    server: ServerSettings
    schemas: PgqSchemas
    clock: Clock
    pooler: Pooler
    queue: Queue | None
    """None: no such queue, or no PgQ."""
    consumers: tuple[Consumer, ...]
    """Of that queue."""
    oldest: OldTransaction | None


def read_environment(side: str, text: str, queue: str, flavour: Flavour) -> Environment:
    """Read the environment of a side, by its connect string. Raises QueueMoverError."""
    first, second, third = (Database(side, text, "queue_mover3", flavour=flavour) for _ in range(3))
    try:
        with first.session() as connection:
            schemas = _read_schemas(connection, flavour)
            queues = read_queues(connection, queue, flavour) if schemas.pgq_is_installed else ()
            return Environment(
                server=_read_settings(connection),
                schemas=schemas,
                clock=read_clock(connection),
                pooler=find_pooler(connection, second, third),
                queue=queues[0] if queues else None,
                consumers=read_consumers(connection, queue, flavour=flavour) if queues else (),
                oldest=_read_oldest(connection),
            )
    finally:
        first.close()


def read_clock(connection: Connection) -> Clock:
    """Compare the server's clock with this machine's."""
    return min((_read_clock(connection) for _ in range(CLOCK_READS)), key=lambda c: c.uncertainty)


def _read_clock(connection: Connection) -> Clock:
    before = time.time()
    row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
    after = time.time()
    assert row is not None
    return Clock(row[0] - (before + after) / 2, abs(after - before) / 2)


def _read_settings(connection: Connection) -> ServerSettings:
    with connection.cursor(row_factory=class_row(ServerSettings)) as cursor:
        found = cursor.execute(
            """
            select split_part(current_setting('server_version'), ' ', 1) as postgresql,
                   current_setting('server_version_num')::int as version_number,
                   current_database()::text as database,
                   current_setting('TimeZone') as time_zone,
                   extract(timezone from date_trunc('year', now()))::int as winter_offset,
                   extract(timezone from date_trunc('year', now()) + interval '6 months')::int
                     as summer_offset
            """
        ).fetchone()
    assert found is not None
    return found


def _read_schemas(connection: Connection, flavour: Flavour) -> PgqSchemas:
    has_pgq = has_function(connection, flavour.sql("{pgq}.get_queue_info(text)"))
    has_version = has_function(connection, flavour.sql("{pgq}.version()"))
    has_ext = schema_exists(connection, "pgq_ext")
    return PgqSchemas(
        pgq=pgq_version(connection, flavour) if has_pgq and has_version else None,
        pgq_is_installed=has_pgq,
        pgq_ext=_read_ext_version(connection) if has_ext else None,
        pgq_ext_is_ours=has_ext and _is_ours(connection),
    )


def _read_ext_version(connection: Connection) -> str:
    if not has_function(connection, "pgq_ext.version()"):
        return "of unknown version"
    row = connection.execute(
        "select case when has_function_privilege('pgq_ext.version()', 'execute')"
        " and has_schema_privilege('pgq_ext', 'usage') then pgq_ext.version() end"
    ).fetchone()
    return str(row[0]) if row and row[0] else "of unknown version"


def _is_ours(connection: Connection) -> bool:
    found = connection.execute(
        """
        select from pg_catalog.pg_proc
         where pronamespace = to_regnamespace('pgq_ext') and proname = 'version'
           and prosrc like '%queue_mover%'
        """
    )
    return found.fetchone() is not None


_OLDEST: LiteralString = """
    select format('pid %s (%s, user %s)', pid, coalesce(nullif(application_name, ''), backend_type),
                  usename) as who,
           extract(epoch from clock_timestamp() - xact_start)::float8 as age,
           format('SELECT pg_terminate_backend(%s)', pid) as remedy
      from pg_stat_activity
     where xact_start is not null and pid <> pg_backend_pid()
       and (backend_xid is not null or backend_xmin is not null)
     union all
    select format('prepared transaction %L of database %s, user %s', gid, database, owner),
           extract(epoch from clock_timestamp() - prepared)::float8,
           format('ROLLBACK PREPARED %L, in database %s', gid, database)
      from pg_prepared_xacts
     order by age desc
     limit 1
"""


def _read_oldest(connection: Connection) -> OldTransaction | None:
    with connection.cursor(row_factory=class_row(OldTransaction)) as cursor:
        return cursor.execute(_OLDEST).fetchone()
