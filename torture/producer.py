"""Transactions of mixed length, with a ledger of what was committed.

The ledger's line is part of the transaction: whatever becomes of a commit whose answer was lost,
events and ledger agree. Each event says which transaction it belongs to (ev_extra1), its number
in there (ev_extra2) and how many there are (ev_extra3), so that half of one is seen anywhere.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from random import Random

import psycopg

from testbed.database import Database
from torture.servers import QUEUE

_INSERT = """
    select count(pgq.insert_event(%(queue)s, (array['I', 'U', 'D'])[1 + i %% 3],
                                  rpad(%(tx)s || ' ünï ✓ ' || i, %(bytes)s, md5(i::text)),
                                  %(tx)s, i::text, %(size)s::text,
                                  case when i %% 3 = 0 then '' when i %% 3 = 1 then 'x' end))
      from generate_series(%(first)s::int, %(last)s::int) i
"""


class Writer(threading.Thread):
    """Writes one kind of transactions to one source until it is stopped."""

    def __init__(self, database: Database, name: str, seed: str, kind: "Kind") -> None:
        super().__init__(name=f"{database.name}:{name}", daemon=True)
        self._database = database
        self._rng = Random(seed)
        self._kind = kind
        self._stopping = threading.Event()
        self._number = 0

    def stop(self) -> None:
        """End the open transaction soon, and write no more."""
        self._stopping.set()

    def run(self) -> None:
        """Write; when the connection is lost, connect again."""
        while not self._stopping.is_set():
            with suppress(psycopg.Error), self._database.connect() as conn:
                conn.autocommit = False
                while not self._stopping.is_set():
                    self._write(conn)
                    self.pause(self._rng.uniform(0, 0.1))
            self.pause(0.1)

    def pause(self, seconds: float) -> None:
        """Wait, unless we are to stop."""
        self._stopping.wait(seconds)

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
"""Inserts the events of one transaction; how many."""


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
    """Open across many ticks, with something in between that is taken back."""
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
    """Writers of all kinds for all sources, running."""
    writers = [
        Writer(database, f"{seed}:{name}", f"{seed}:{database.name}:{name}", kind)
        for database in databases
        for name, kind in KINDS.items()
    ]
    for writer in writers:
        writer.start()
    return writers


def stop_writers(writers: list[Writer]) -> None:
    """Stop them and wait for that."""
    for writer in writers:
        writer.stop()
    for writer in writers:
        writer.join()
