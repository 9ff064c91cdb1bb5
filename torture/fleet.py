"""The movers: a process per source or one process for all, and partners started on purpose.

Both layouts use the same consumers, so one goes on where the other has stopped, and one can be
the other's partner.
"""

import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from testbed.processes import Process, mover, run, script
from torture.servers import NAMES, QUEUE, TARGET_QUEUE, Servers
from torture.unlocked import Unlocked

Layout = Literal["one", "many"]
LAYOUTS: tuple[Layout, ...] = ("one", "many")
"""A process per source; one process with many sources."""
MOST = 3
"""Movers of one consumer at the same time."""
WAIT = 60.0
"""Seconds that a process gets to obey; far more than it needs."""

EXPECTED = {
    signal.SIGKILL: (-signal.SIGKILL,),
    # By the signal itself: it came before the program had taken over from Python.
    signal.SIGINT: (0, -signal.SIGINT, 1),
    signal.SIGTERM: (128 + signal.SIGTERM, -signal.SIGTERM),
}


def consumer(name: str) -> str:
    """The consumer of a source."""
    return f"move_{name}"


@dataclass(eq=False)
class Member:
    """One process of the fleet."""

    process: Process
    serves: tuple[str, ...]
    frozen: bool = False


@dataclass
class Fleet:
    """All movers that run, and the ways to start one."""

    servers: Servers
    directory: Path
    rng: Random
    layout: Layout = "one"
    members: list[Member] = field(default_factory=list)
    leaving: list[Member] = field(default_factory=list)
    """Interrupted; they end after their batch, which may have to wait for another fault's end."""
    started: int = 0
    complaints: list[str] = field(default_factory=list)
    """What no mover should have done."""
    unlocked: Unlocked | None = None
    """The partner without locks, the last one."""

    def fill_up(self) -> None:
        """See that each source has a mover of the layout that is not frozen."""
        self.bury()
        self._recover_from_unlocked()
        for name in NAMES:
            if not any(name in member.serves for member in self.members if not member.frozen):
                self.start(self.layout, name)

    def start(self, layout: Layout, name: str) -> Member:
        """Start a mover that serves at least this source."""
        self.started += 1
        serves = NAMES if layout == "many" else (name,)
        ini = self._write(f"mover{self.started}", layout, name)
        member = Member(mover(ini, "-v", name=ini.stem), serves)
        self.members.append(member)
        return member

    def start_partner(self) -> Member | None:
        """Start another mover for a source that has one; None when there are enough."""
        layout = self.rng.choice(LAYOUTS)
        name = self.rng.choice(NAMES)
        serves = NAMES if layout == "many" else (name,)
        if any(self._number(each) >= MOST for each in serves):
            return None
        return self.start(layout, name)

    def _number(self, name: str) -> int:
        return sum(name in member.serves for member in self.members)

    def start_unlocked(self) -> Unlocked | None:
        """Start a partner without locks; None when there is one."""
        if self.unlocked and self.unlocked.is_alive():
            return None
        source = self.rng.choice(self.servers.source.databases)
        name = dict(zip(self.servers.source.databases, NAMES, strict=True))[source]
        self.unlocked = Unlocked(source, self.servers.target_database, consumer(name))
        self.unlocked.start()
        return self.unlocked

    def _recover_from_unlocked(self) -> None:
        """As an operator would: when the other one has ended, end ours that have noticed it."""
        if self.unlocked is None or self.unlocked.is_alive():
            return
        for member in [each for each in self.members if self._has_noticed(each)]:
            self.interrupt(member)

    def _has_noticed(self, member: Member) -> bool:
        """Whether it, or one of its sources, has stopped for a partner without locks."""
        if self.unlocked is None:
            return False
        said = member.process.stderr
        if "Lost position" in said:
            self._rewind(member)
        return "takes no locks" in said or "Lost position" in said

    def choose(self) -> Member | None:
        """A mover that runs and is not frozen."""
        self.bury()
        awake = [member for member in self.members if not member.frozen]
        return self.rng.choice(awake) if awake else None

    def interrupt(self, member: Member) -> None:
        """Tell a mover to end after its batch."""
        self.members.remove(member)
        self.leaving.append(member)
        member.process.send(signal.SIGINT)

    def end(self, member: Member, number: signal.Signals) -> None:
        """End a mover by a signal that it has to obey at once, whatever hangs."""
        self.members.remove(member)
        member.process.send(number)
        self._await_end(member, number)

    def _await_end(self, member: Member, number: signal.Signals) -> None:
        try:
            code = member.process.wait(WAIT)
        except TimeoutError as error:
            self.complaints.append(
                f"{number.name} not obeyed: {str(error)[-2000:]}\n{member.process.dump()}"
            )
            member.process.kill()
            return
        crashed = "crashed:" in member.process.stderr
        if code not in EXPECTED[number] or crashed:
            self._complain(member, f"ended with {code} after {number.name}")

    def bury(self) -> None:
        """Forget those that have ended by themselves; none should."""
        for member in [each for each in self.members if not each.process.running]:
            self.members.remove(member)
            self._complain(member, f"ended by itself with {member.process.returncode}")

    def _complain(self, member: Member, what: str) -> None:
        if self._has_noticed(member):
            return
        tail = "\n    ".join(member.process.stderr.splitlines()[-12:])
        self.complaints.append(f"{member.process.name} {what}:\n    {tail}")

    def _rewind(self, member: Member) -> None:
        """Another fault may be in the way; the next one that is lost tries again."""
        with suppress(subprocess.TimeoutExpired):
            ini = self.directory / f"{member.process.name}.ini"
            run([script("queue_mover3"), "--rewind", ini], timeout=10)

    def thaw(self, members: Iterable[Member] | None = None) -> None:
        """Let frozen movers go on."""
        for member in members or self.members:
            if member.process.running:
                member.process.send(signal.SIGCONT)
            member.frozen = False

    def stop(self) -> None:
        """Stop all as an operator would."""
        self.bury()
        self.thaw()
        for member in self.members[:]:
            self.interrupt(member)
        while self.leaving:
            self._await_end(self.leaving.pop(), signal.SIGINT)

    def kill(self) -> None:
        """End all, whatever they do."""
        for member in (*self.members, *self.leaving):
            member.process.kill()

    def _write(self, stem: str, layout: Layout, name: str) -> Path:
        """A config file; the size of batches differs, as it might between hosts."""
        main = {
            "job_name": stem,
            "dst_db": self.servers.target.mover_conninfo(self.servers.target_database),
            "queue_name": QUEUE,
            "dst_queue_name": TARGET_QUEUE,
            "loop_delay": "0.1",
            "exception_sleep": "0.3",
            "connection_lifetime": str(self.rng.choice((1, 1200))),
            "max_batch_events": str(self.rng.choice((0, 500, 50_000, 50_000))),
        }
        databases = dict(zip(NAMES, self.servers.source.databases, strict=True))
        lines = ["[queue_mover3]", *(f"{key} = {value}" for key, value in main.items())]
        for source in NAMES if layout == "many" else (name,):
            if layout == "many":
                lines.append(f"[source:{source}]")
            lines.append(f"src_db = {self.servers.source.mover_conninfo(databases[source])}")
            lines.append(f"consumer_name = {consumer(source)}")
        path = self.directory / f"{stem}.ini"
        path.write_text("\n".join([*lines, ""]))
        return path
