"""Each kind of fault, how it is done and how it is undone."""

import signal
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psycopg

from torture.fleet import Fleet, Member
from torture.servers import QUEUE, TARGET_QUEUE, Servers, Side

Undo = Callable[[], None]


@dataclass(frozen=True)
class Lasting:
    """A fault that goes on until it is undone."""

    seconds: float
    undo: Undo


@dataclass
class Faults:
    """What can be done to the servers and the fleet; each returns what undoes it, if it lasts.

    A fault that finds nothing to break returns False and is not counted.
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
            "partner": lambda: self.fleet.start_partner() is not None,
            "partner without locks": self._join_unlocked,
            "crash of the source": lambda: self._crash(self.servers.source),
            "crash of the target": lambda: self._crash(self.servers.target),
            "server frozen": self._freeze_server,
            "backend terminated": self._terminate,
            "connections reset": self._reset,
            "reset after some bytes": self._reset_after,
            "connections stalled": self._stall,
            "answers lost": self._deafen,
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
        partner = self.fleet.start_unlocked()
        if partner is None:
            return False
        return Lasting(self.fleet.rng.uniform(0.5, 4.0), partner.stop)

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

    def _deafen(self) -> Lasting:
        """The server does what it is told, and its answers never arrive."""
        proxy = self._side().proxy
        proxy.hold(requests=False)

        def undo() -> None:
            proxy.reset()
            proxy.release()

        return Lasting(self.fleet.rng.uniform(0.1, 1.5), undo)

    def _hold_xmin(self) -> Lasting:
        conn = self._side().connect()
        conn.execute("begin isolation level repeatable read; select txid_current()")
        return Lasting(self.fleet.rng.uniform(0.5, 5.0), closing_quietly(conn))

    def _lock_tables(self) -> Lasting:
        """Nobody writes to the target queue, as during a rotation that has to wait."""
        conn = self.servers.target.connect()
        conn.execute(
            "set lock_timeout = '2s'; begin; do $$ begin execute (select format("
            f"'lock table %s_0, %s_1, %s_2', q, q, q) from (select queue_data_pfx as q"
            f" from pgq.queue where queue_name = '{TARGET_QUEUE}') q); end $$".encode()
        )
        return Lasting(self.fleet.rng.uniform(0.1, 2.0), closing_quietly(conn))

    def _rotate(self) -> bool:
        """Both steps, at a moment of our choice; PgQ says whether it may be."""
        side = self._side()
        queue = QUEUE if side is self.servers.source else TARGET_QUEUE
        with side.connect() as conn:
            conn.execute("set lock_timeout = '2s'")
            conn.execute(
                "update pgq.queue set queue_switch_time = now() - interval '1 hour'"
                " where queue_name = %s",
                [queue],
            )
            for step in ("1(%s)", "2()", "1(%s)", "2()"):
                conn.execute(
                    f"select pgq.maint_rotate_tables_step{step}".encode(),
                    [queue] if "%s" in step else [],
                )
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
    # Recovery may want back space that had been freed; that fails in PostgreSQL, not in a mover.
    "disk full": ("crash of the target",),
    # These need a server that answers.
    "server frozen": (
        "crash of the source",
        "crash of the target",
        "backend terminated",
        "xmin held",
        "table locked",
        "rotation",
        "statement_timeout",
    ),
    # A role's timeout could not be taken back, nor a lock be given.
    "statement_timeout": ("server frozen",),
}
"""Which faults do not begin while one of these lasts."""


def closing_quietly(conn: psycopg.Connection) -> Undo:
    """Close a connection that may be dead."""

    def undo() -> None:
        with suppress(psycopg.Error), closing(conn):
            pass

    return undo
