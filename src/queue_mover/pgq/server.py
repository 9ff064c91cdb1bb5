"""Facts about a server: its identity, its transaction IDs, its PgQ, the intervals it accepts."""

import secrets
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from queue_mover.model import PGQ, BatchLimits, Flavour, Route
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import has_function, quote_ident, run_in_one_message
from queue_mover.postgres.translation import translating_errors

_SYSTEM = "pg_control_system()"
_OWN = "queue_mover.database_identity()"
_IDENTITIES: dict[str, LiteralString] = {
    _SYSTEM: "select format('system %s', system_identifier) from pg_control_system()",
    _OWN: "select format('identity %s', queue_mover.database_identity())",
}

NEWEST_TXID: LiteralString = """
    (select max({tick_xmax})
       from {pgq}.tick t where t.tick_queue = q.queue_id)
"""
"""For a row q of pgq.queue: the first transaction ID not yet assigned at its last tick."""


def identity(connection: Connection) -> str:
    """Identifies the server, for messages and for comparison; empty: the role may not read it.

    PostgreSQL's system identifier; where a managed server denies it, an identity of our own that
    `pgqadm install` stores in the database.
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
    """What allows the role to read one of the identities."""
    row = connection.execute("select current_user").fetchone()
    assert row is not None
    role = quote_ident(row[0])
    own = f"GRANT {flavour.reader} TO {role}"
    if not has_function(connection, _OWN):
        own = "pgqadm.py CONFIG install, which gives the database an identity of its own"
    return f"GRANT EXECUTE ON FUNCTION pg_control_system() TO {role} in this database, or {own}"


@dataclass(frozen=True, slots=True)
class TransactionIds:
    """A server's transaction IDs, and those in a queue's ticks.

    If the queue came from another server in a dump, its ticks may be ahead. PgQ takes an event with
    a lower ID for one that was read before: no consumer would ever get it.
    """

    txid: int
    """The server's next one; all lower ones are assigned."""
    ticks: int | None
    """The same at the last tick; None: no tick yet."""

    @property
    def behind(self) -> bool:
        """Whether events written now would never be read."""
        return self.ticks is not None and self.txid < self.ticks

    @property
    def problem(self) -> str:
        """What is wrong, for a message."""
        return (
            f"the server's transaction ids are behind those of the ticks ({self.ticks}), as after"
            " a restore from another server's dump: events written now would never be read"
        )

    @property
    def remedy(self) -> str:
        """How to raise the IDs above those of the ticks, for a message."""
        epoch = ((self.ticks or 0) >> 32) + 1
        return (
            f"stop producers and server, run pg_resetwal --epoch={epoch} -D DATADIR, start the"
            " server; details: docs/moving-a-shard.md"
        )


def transaction_ids(
    connection: Connection, queue: str, flavour: Flavour = PGQ
) -> TransactionIds | None:
    """The transaction IDs for a queue; None: no such queue."""
    with connection.cursor(row_factory=class_row(TransactionIds)) as cursor:
        cursor.execute(
            flavour.sql(
                "select txid_snapshot_xmax(txid_current_snapshot()) as txid, "
                + NEWEST_TXID
                + " as ticks from {pgq}.queue q where q.queue_name = %s"
            ),
            [queue],
        )
        return cursor.fetchone()


def is_same_database(src: Connection, dst: Connection, route: Route) -> bool:
    """Whether both connections are to the same database.

    Tested with an advisory lock, which is visible in one database only: a clone has the identity
    of its original, and a pooler or another host name may point to the same database.
    """
    key = {"key": secrets.randbits(63)}
    with translating_errors("target", route.target_flavour):
        run_in_one_message(dst, ["begin", "select pg_advisory_xact_lock(%(key)s)"], key)
        try:
            with translating_errors("source", route.source_flavour):
                row = src.execute("select pg_try_advisory_xact_lock(%(key)s)", key).fetchone()
        finally:
            dst.rollback()
    return row != (True,)


def unusable_intervals(connection: Connection, limits: BatchLimits) -> list[str]:
    """The intervals in the limits with which PgQ's arithmetic would fail."""
    wanted = (limits.min_interval, limits.keep_lag)
    return [value for value in wanted if value and not _is_usable(connection, value)]


def _is_usable(connection: Connection, interval: str) -> bool:
    # PgQ subtracts it from now, and doubles it: either may overflow.
    try:
        row = connection.execute(
            "select now() - i <= now() + i and i <= i * 2 from cast(%s as interval) i", [interval]
        ).fetchone()
    except psycopg.DataError:
        return False
    return row == (True,)


def pgq_version(conn: Connection, flavour: Flavour = PGQ) -> str | None:
    """PgQ's version; None: it has none, as when installed from an SQL file."""
    row = conn.execute(flavour.sql("select {pgq}.version()")).fetchone()
    return str(row[0]) if row and row[0] else None
