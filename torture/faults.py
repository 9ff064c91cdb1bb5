"""Each kind of fault: how to inject it and how to undo it."""

import signal
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from testbed.queues import event_tables, rotate
from torture.fleet import Fleet, Member
from torture.servers import QUEUE, TARGET_QUEUE, Servers, Side

Undo = Callable[[], None]


@dataclass(frozen=True)
class Lasting:
    """A fault that lasts until it is undone."""

    seconds: float
    undo: Undo


@dataclass
class Faults:
    """What can be done to the servers and the fleet; lasting faults return how to undo them.

    A fault that finds nothing to break returns False, and does not count.
    """

    servers: Servers
    fleet: Fleet
    kinds: dict[str, Callable[[], "Lasting | bool"]] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = {
            "SIGKILL": lambda: self._end(signal.SIGKILL),
            "SIGTERM": lambda: self._end(signal.SIGTERM),
            "SIGINT": self._interrupt,
            "SIGSTOP": self._freeze,
            "legacy mover": self._join_unlocked,
            "standby started": self.fleet.start_standby,
            "crash of the source": lambda: self._crash(self.servers.source),
            "crash of the target": lambda: self._crash(self.servers.target),
            "server frozen": self._freeze_server,
            "backend terminated": self._terminate,
            "connections reset": self._reset,
            "reset after some bytes": self._reset_after,
            "connections stalled": self._stall,
            "responses lost": self._lose_responses,
            "xmin held": self._hold_xmin,
            "table locked": self._lock_tables,
            "rotation": self._rotate,
            "statement_timeout": self._limit_statements,
        }
        if self.servers.disk is not None:
            self.kinds["disk full"] = self._fill_disk

    def _side(self) -> Side:
        return self.fleet.rng.choice(self.servers.sides)

    def _end(self, number: signal.Signals) -> bool:
        member = self.fleet.choose()
        if member is None:
            return False
        self.fleet.end(member, number)
        return True

    def _interrupt(self) -> bool:
        member = self.fleet.choose()
        if member is None:
            return False
        self.fleet.interrupt(member)
        return True

    def _freeze(self) -> Lasting | bool:
        member = self.fleet.choose()
        if member is None:
            return False
        member.process.send(signal.SIGSTOP)
        member.frozen = True
        return Lasting(self.fleet.rng.uniform(0.05, 4.0), lambda: self._thaw(member))

    def _join_unlocked(self) -> Lasting | bool:
        legacy = self.fleet.start_unlocked()
        if legacy is None:
            return False
        return Lasting(self.fleet.rng.uniform(0.5, 4.0), legacy.stop)

    def _thaw(self, member: Member) -> None:
        if member in self.fleet.members:
            self.fleet.thaw([member])

    def _crash(self, side: Side) -> bool:
        side.crash()
        return True

    def _freeze_server(self) -> Lasting:
        cluster = self._side().cluster
        cluster.freeze()
        return Lasting(self.fleet.rng.uniform(0.1, 2.0), cluster.thaw)

    def _terminate(self) -> bool:
        one = self.fleet.rng.random() < 0.7
        return self._side().terminate_movers(self.fleet.rng if one else None) > 0

    def _reset(self) -> bool:
        self._side().proxy.reset()
        return True

    def _reset_after(self) -> bool:
        self._side().proxy.reset_after(int(10 ** self.fleet.rng.uniform(1, 6)))
        return True

    def _stall(self) -> Lasting:
        proxy = self._side().proxy
        proxy.hold()
        return Lasting(self.fleet.rng.uniform(0.1, 3.0), proxy.release)

    def _lose_responses(self) -> Lasting:
        """The server executes requests, but its responses never arrive."""
        proxy = self._side().proxy
        proxy.hold(requests=False)

        def undo() -> None:
            proxy.reset()
            proxy.release()

        return Lasting(self.fleet.rng.uniform(0.1, 1.5), undo)

    def _hold_xmin(self) -> Lasting:
        conn = self._side().connect()
        conn.execute("begin isolation level repeatable read; select txid_current()")
        return Lasting(self.fleet.rng.uniform(0.5, 5.0), close_quietly(conn))

    def _lock_tables(self) -> Lasting:
        """Block writes to the target queue, as a waiting rotation does."""
        conn = self.servers.target.connect()
        tables = sql.SQL(", ").join(event_tables(conn, TARGET_QUEUE))
        conn.execute("set lock_timeout = '2s'")
        conn.execute("begin")
        conn.execute(sql.SQL("lock {}").format(tables))
        return Lasting(self.fleet.rng.uniform(0.1, 2.0), close_quietly(conn))

    def _rotate(self) -> bool:
        side = self._side()
        with side.connect() as conn:
            conn.execute("set lock_timeout = '2s'")
            rotate(conn, QUEUE if side is self.servers.source else TARGET_QUEUE)
        return True

    def _limit_statements(self) -> Lasting:
        side = self._side()
        side.limit_statements(self.fleet.rng.choice((5, 20, 100)))
        return Lasting(self.fleet.rng.uniform(0.3, 2.0), lambda: side.limit_statements(0))

    def _fill_disk(self) -> Lasting:
        disk = self.servers.disk
        assert disk is not None
        disk.fill()
        return Lasting(self.fleet.rng.uniform(0.5, 3.0), disk.free)


EXCLUDED: dict[str, tuple[str, ...]] = {
    # Recovery may need space that is no longer free: PostgreSQL's failure, not a mover's.
    "disk full": ("crash of the target",),
    # These need a responsive server.
    "server frozen": (
        "crash of the source",
        "crash of the target",
        "backend terminated",
        "xmin held",
        "table locked",
        "rotation",
        "statement_timeout",
    ),
    # The role's timeout could not be reset.
    "statement_timeout": ("server frozen",),
}
"""Faults that are not injected while one of these lasts."""


def close_quietly(conn: psycopg.Connection) -> Undo:
    """Closes a connection that may be dead."""

    def undo() -> None:
        with suppress(psycopg.Error), closing(conn):
            pass

    return undo
