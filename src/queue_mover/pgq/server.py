"""What a server is asked before anything is written: may it be written to, which one is it, are
its transaction ids good for the queue, does it understand the settings."""

import secrets
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from queue_mover.model import PGQ, BatchLimits, Flavour, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import has_function, quote_ident
from queue_mover.postgres.translation import translating_errors

_SYSTEM = "pg_control_system()"
_OWN = "queue_mover.database_identity()"
_IDENTITIES: dict[str, LiteralString] = {
    _SYSTEM: "select format('system %s', system_identifier) from pg_control_system()",
    _OWN: "select format('identity %s', queue_mover.database_identity())",
}

NEWEST_TXID: LiteralString = """
    (select max(txid_snapshot_xmax(t.tick_snapshot))
       from {pgq}.tick t where t.tick_queue = q.queue_id)
"""
"""Of a row q of the table queue: the first transaction id not given yet at its last tick."""


def identity(connection: Connection) -> str:
    """Which database server this is, for people and for comparison; empty: the role may not ask.

    PostgreSQL's system identifier; managed servers may refuse it, then an identity of our own
    that `pgqadm install` leaves in the database.
    """
    for function, statement in _IDENTITIES.items():
        row = connection.execute(
            "select has_function_privilege(to_regprocedure(%s), 'execute')", [function]
        ).fetchone()
        if row == (True,):
            found = connection.execute(statement).fetchone()
            assert found is not None
            return str(found[0])
    return ""


def identity_remedy(connection: Connection, flavour: Flavour = PGQ) -> str:
    """What lets the role ask for one of the identities."""
    row = connection.execute("select current_user").fetchone()
    assert row is not None
    role = quote_ident(row[0])
    own = f"GRANT {flavour.reader} TO {role}"
    if not has_function(connection, _OWN):
        own = "pgqadm.py CONFIG install, which gives the database an identity of its own"
    return f"GRANT EXECUTE ON FUNCTION pg_control_system() TO {role} in this database, or {own}"


@dataclass(frozen=True, slots=True)
class TransactionIds:
    """How far a server's transaction ids are, and those that a queue's ticks know.

    Where the queue came from another server, in a dump, its ticks may be ahead. To PgQ an event
    with an id below theirs is one that was read before: nobody would ever get it.
    """

    txid: int
    """The next one of the server; all below it are given."""
    ticks: int | None
    """The same, when the last tick was made; None: there is none."""

    @property
    def behind(self) -> bool:
        """Whether events that are written now would never be read."""
        return self.ticks is not None and self.txid < self.ticks

    @property
    def problem(self) -> str:
        """What is wrong, in words."""
        return (
            f"the server's transaction ids are behind those of the ticks ({self.ticks}), as after"
            " a restore from another server's dump: events written now would never be read"
        )

    @property
    def remedy(self) -> str:
        """What brings the ids above those of the ticks, in words."""
        epoch = ((self.ticks or 0) >> 32) + 1
        return (
            f"stop producers and server, run pg_resetwal --epoch={epoch} -D DATADIR, start the"
            " server; details: docs/moving-a-shard.md"
        )


def transaction_ids(
    connection: Connection, queue: str, flavour: Flavour = PGQ
) -> TransactionIds | None:
    """Those of a queue; None when there is no such queue."""
    with connection.cursor(row_factory=class_row(TransactionIds)) as cursor:
        cursor.execute(
            flavour.sql(
                "select txid_snapshot_xmax(txid_current_snapshot()) as txid,"
                f" {NEWEST_TXID} as ticks from {{pgq}}.queue q where q.queue_name = %s"
            ),
            [queue],
        )
        return cursor.fetchone()


def is_same_database(src: Connection, dst: Connection, route: Route) -> bool:
    """Whether both connections lead to one database.

    The servers are asked by a lock, which is visible in one database only: a clone has the
    identity of its original, and a pooler or another host name may lead to the same database.
    """
    key = [secrets.randbits(63)]
    with translating_errors("target", route.target_flavour), dst.transaction():
        dst.execute("select pg_advisory_xact_lock(%s)", key)
        with translating_errors("source", route.source_flavour):
            row = src.execute("select pg_try_advisory_xact_lock(%s)", key).fetchone()
    return row != (True,)


def unusable_intervals(connection: Connection, limits: BatchLimits) -> list[str]:
    """The intervals among the limits that PostgreSQL cannot take for what PgQ does with them."""
    wanted = (limits.min_interval, limits.keep_lag)
    return [value for value in wanted if value and not _is_usable(connection, value)]


def _is_usable(connection: Connection, interval: str) -> bool:
    # PgQ goes back from now by it, and doubles it: both have an end.
    try:
        row = connection.execute(
            "select now() - i <= now() + i and i <= i * 2 from cast(%s as interval) i", [interval]
        ).fetchone()
    except psycopg.DataError:
        return False
    return row == (True,)


def pgq_version(conn: Connection, flavour: Flavour = PGQ) -> str | None:
    """The version that PgQ tells; None: it tells none, having come from an SQL file."""
    row = conn.execute(flavour.sql("select {pgq}.version()")).fetchone()
    return str(row[0]) if row and row[0] else None
