"""The movers: a process per source or one process for all, and standbys.

All layouts use the same consumers, so one resumes where another stopped, and one can be
another's standby.
"""

import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from testbed.ini import write_sections
from testbed.processes import Process, mover, run, script
from torture.legacy import Unlocked
from torture.servers import NAMES, QUEUE, TARGET_QUEUE, Servers

Layout = Literal["one", "many", "shared"]
LAYOUTS: tuple[Layout, ...] = ("one", "many", "shared")
"""A process per source; one process with many sources; the same, with one connection to the target
and transactions on it that the sources share."""
MAX_MOVERS = 3
"""At the same time, per consumer."""
EXIT_TIMEOUT = 60.0
"""Seconds to obey a signal; far more than needed."""

EXIT_CODES = {
    signal.SIGKILL: (-signal.SIGKILL,),
    # -N: the signal came before the program had installed its handlers.
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
    """All running movers, and how to start one."""

    servers: Servers
    directory: Path
    rng: Random
    layout: Layout = "one"
    members: list[Member] = field(default_factory=list)
    leaving: list[Member] = field(default_factory=list)
    """Interrupted; they exit after their batch, which may have to wait for another fault to end."""
    started: int = 0
    failures: list[str] = field(default_factory=list)
    """What no mover should do."""
    unlocked: Unlocked | None = None
    """The last legacy mover, which takes no locks."""

    def fill_up(self) -> None:
        """Make sure that each source has a mover that is not frozen; start those of the layout."""
        self.reap()
        self._recover_from_unlocked()
        for name in NAMES:
            if not any(name in member.serves for member in self.members if not member.frozen):
                self.start(self.layout, name)

    def start(self, layout: Layout, name: str) -> None:
        """Start a mover that serves at least this source."""
        self.started += 1
        serves = (name,) if layout == "one" else NAMES
        ini = self._write(f"mover{self.started}", layout, name)
        self.members.append(Member(mover(ini, "-v", name=ini.stem), serves))

    def start_standby(self) -> bool:
        """Start another mover for a source; False if it has enough."""
        layout = self.rng.choice(LAYOUTS)
        name = self.rng.choice(NAMES)
        serves = (name,) if layout == "one" else NAMES
        if any(self._count(each) >= MAX_MOVERS for each in serves):
            return False
        self.start(layout, name)
        return True

    def _count(self, name: str) -> int:
        return sum(name in member.serves for member in self.members)

    def start_unlocked(self) -> Unlocked | None:
        """Start a legacy mover; None when there is one."""
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
        """Whether it, or one of its sources, has stopped for a legacy mover."""
        if self.unlocked is None:
            return False
        said = member.process.stderr
        if "Lost position" in said:
            self._rewind(member)
        return "takes no locks" in said or "Lost position" in said

    def choose(self) -> Member | None:
        """A running mover that is not frozen."""
        self.reap()
        awake = [member for member in self.members if not member.frozen]
        return self.rng.choice(awake) if awake else None

    def interrupt(self, member: Member) -> None:
        """Let a mover exit after its batch."""
        self.members.remove(member)
        self.leaving.append(member)
        member.process.send(signal.SIGINT)

    def end(self, member: Member, number: signal.Signals) -> None:
        """End a mover with a signal that it must obey at once, even if a server hangs."""
        self.members.remove(member)
        member.process.send(number)
        self._wait_for_exit(member, number)

    def _wait_for_exit(self, member: Member, number: signal.Signals) -> None:
        try:
            code = member.process.wait(EXIT_TIMEOUT)
        except TimeoutError as error:
            self.failures.append(
                f"{number.name} not obeyed: {str(error)[-2000:]}\n{member.process.dump()}"
            )
            member.process.kill()
            return
        crashed = "crashed:" in member.process.stderr
        if code not in EXIT_CODES[number] or crashed:
            self._fail(member, f"exited with {code} after {number.name}")

    def reap(self) -> None:
        """Remove those that have exited by themselves; none should."""
        for member in [each for each in self.members if not each.process.running]:
            self.members.remove(member)
            self._fail(member, f"exited by itself with {member.process.returncode}")

    def _fail(self, member: Member, what: str) -> None:
        if self._has_noticed(member):
            return
        tail = "\n    ".join(member.process.stderr.splitlines()[-12:])
        self.failures.append(f"{member.process.name} {what}:\n    {tail}")

    def _rewind(self, member: Member) -> None:
        """Another fault may be in the way; the next one that is lost tries again."""
        with suppress(subprocess.TimeoutExpired):
            ini = self.directory / f"{member.process.name}.ini"
            run([script("queue_mover3"), "--rewind", ini], timeout=10)

    def thaw(self, members: Iterable[Member] | None = None) -> None:
        """Resume frozen movers."""
        for member in members or self.members:
            if member.process.running:
                member.process.send(signal.SIGCONT)
            member.frozen = False

    def stop(self) -> None:
        """Stop all, as an operator would."""
        self.reap()
        self.thaw()
        for member in self.members[:]:
            self.interrupt(member)
        while self.leaving:
            self._wait_for_exit(self.leaving.pop(), signal.SIGINT)

    def kill(self) -> None:
        """Kill all, whatever they do."""
        for member in (*self.members, *self.leaving):
            member.process.kill()

    def _write(self, stem: str, layout: Layout, name: str) -> Path:
        """A config file; batch sizes differ, as they might between hosts."""
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
        sources = {
            source: {
                "src_db": self.servers.source.mover_conninfo(databases[source]),
                "consumer_name": consumer(source),
            }
            for source in NAMES
        }
        if layout == "shared":
            main["dst_connections"] = "1"
        if layout != "one":
            sections = {f"source:{source}": settings for source, settings in sources.items()}
        else:
            sections, main = {}, {**main, **sources[name]}
        return write_sections(self.directory / f"{stem}.ini", {"queue_mover3": main, **sections})
