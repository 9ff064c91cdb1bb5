"""Transactions of mixed sizes, with a ledger of those committed.

The ledger entry is part of the transaction: even if the response to a commit is lost, events and
ledger agree. Each event names its transaction (ev_extra1), its number therein (ev_extra2) and the
transaction's size (ev_extra3), so that a partial transaction is detected anywhere.
"""

from collections.abc import Callable
from random import Random

import psycopg

from testbed.database import Database
from torture.servers import QUEUE
from torture.threads import RetryingThread

_INSERT = """
    select count(pgq.insert_event(%(queue)s, (array['I', 'U', 'D'])[1 + i %% 3],
                                  rpad(%(tx)s || ' ünï ✓ ' || i, %(bytes)s, md5(i::text)),
                                  %(tx)s, i::text, %(size)s::text,
                                  case when i %% 3 = 0 then '' when i %% 3 = 1 then 'x' end))
      from generate_series(%(first)s::int, %(last)s::int) i
"""


class Writer(RetryingThread):
    """Writes one kind of transaction to one source until stopped."""

    def __init__(self, database: Database, name: str, seed: str, kind: "Kind") -> None:
        super().__init__(f"{database.name}:{name}")
        self._database = database
        self._rng = Random(seed)
        self._kind = kind
        self._number = 0

    def work(self) -> None:
        """Write transaction after transaction."""
        with self._database.connect() as conn:
            conn.autocommit = False
            while self.active:
                self._write(conn)
                self.pause(self._rng.uniform(0, 0.1))

    def _write(self, conn: psycopg.Connection) -> None:
        self._number += 1
        size = self._kind(self, conn, f"{self.name}:{self._number}", self._rng)
        if size and self._rng.random() < 0.85:
            conn.execute(
                "insert into torture.ledger values (%s, %s)",
                [f"{self.name}:{self._number}", size],
            )
            conn.commit()
        else:
            conn.rollback()


Kind = Callable[[Writer, psycopg.Connection, str, Random], int]
"""Inserts the events of one transaction; returns how many."""


def _insert(
    conn: psycopg.Connection, tx: str, size: int, part: tuple[int, int], data_bytes: int
) -> None:
    conn.execute(
        _INSERT,
        {"queue": QUEUE, "tx": tx, "size": size, "first": part[0], "last": part[1],
         "bytes": data_bytes},
    )  # fmt: skip


def _short(writer: Writer, conn: psycopg.Connection, tx: str, rng: Random) -> int:
    size = rng.randint(1, 20)
    _insert(conn, tx, size, (1, size), rng.choice((30, 100, 1000)))
    return size


def _bulk(writer: Writer, conn: psycopg.Connection, tx: str, rng: Random) -> int:
    size = rng.randint(200, 3000)
    _insert(conn, tx, size, (1, size), rng.choice((50, 200)))
    writer.pause(rng.uniform(0, 1.0))
    return size


def _long(writer: Writer, conn: psycopg.Connection, tx: str, rng: Random) -> int:
    """Stay open across many ticks, and roll back to savepoints meanwhile."""
    size, done = rng.randint(2, 60), 0
    while done < size:
        step = min(rng.randint(1, 20), size - done)
        _insert(conn, tx, size, (done + 1, done + step), 80)
        done += step
        conn.execute("savepoint here")
        _insert(conn, "never:" + tx, 1, (1, 1), 80)
        conn.execute("rollback to savepoint here")
        writer.pause(rng.uniform(0.1, 1.0))
    return size


KINDS: dict[str, Kind] = {"short": _short, "bulk": _bulk, "long": _long}


def start_writers(databases: list[Database], seed: str) -> list[Writer]:
    """Start writers of all kinds for all sources."""
    writers = [
        Writer(database, f"{seed}:{name}", f"{seed}:{database.name}:{name}", kind)
        for database in databases
        for name, kind in KINDS.items()
    ]
    for writer in writers:
        writer.start()
    return writers


def stop_writers(writers: list[Writer]) -> None:
    """Stop them and wait."""
    for writer in writers:
        writer.stop()
    for writer in writers:
        writer.join()
