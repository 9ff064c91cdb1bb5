"""Advisory locks: their keys, holders, and timeouts that limit how long they are held."""

import hashlib
from typing import LiteralString

from queue_mover.postgres.connection import Connection

TIMEOUTS: LiteralString = """
    select set_config('idle_in_transaction_session_timeout', '300s', true),
           set_config('tcp_keepalives_idle', '30', true),
           set_config('tcp_keepalives_interval', '10', true),
           set_config('tcp_keepalives_count', '3', true)
"""
"""Settings for a transaction with the consumer's lock: if our host dies, the server must not hold
the lock for hours."""


SESSION: LiteralString = """format('pid %%s (%%s) from %%s', pid, application_name,
           coalesce(host(client_addr), 'local socket'))"""
"""Describes a row of pg_stat_activity, in a statement with parameters."""


def lock_key(*names: str) -> int:
    """A 64-bit advisory lock key, the same for the same names on every host."""
    digest = hashlib.sha256("\0".join(("queue_mover", *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def lock_holder(connection: Connection, key: int) -> str:
    """Describe the holder of an advisory lock, for a log line."""
    bits = key & 0xFFFF_FFFF_FFFF_FFFF
    row = connection.execute(
        f"""
        select {SESSION} || format(', transaction open since %%s', date_trunc('second', xact_start))
          from pg_locks l join pg_stat_activity a using (pid)
         where l.locktype = 'advisory' and l.granted and l.objsubid = 1
           and l.database = (select oid from pg_database where datname = current_database())
           and l.classid::bigint = %s and l.objid::bigint = %s
        """,
        [bits >> 32, bits & 0xFFFF_FFFF],
    ).fetchone()
    return str(row[0]) if row else "another mover"
