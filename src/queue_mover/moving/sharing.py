"""Movers that take turns at one target: who has a turn takes all batches that are ready.

Nobody waits for company: a batch goes at once if no turn is in progress, except that turns begin
at least `PACE` apart, so that many sources share. Memory is bounded by the room of all of them.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from threading import Lock

from queue_mover.errors import QueueMoverError, StoppingError, UnavailableError
from queue_mover.moving.shared_transaction import SmallBatch, write_together
from queue_mover.postgres.database import Sessions

LARGEST_BATCH = 256 * 1024
"""Bytes of a batch up to which it is read whole."""
ROOM = 1024 * 1024
"""Bytes of all batches read whole at the same time, for each connection to the target."""
MOST = 200
"""Batches in one transaction."""
PACE = 0.025
"""Seconds between the beginnings of two turns."""
PAUSE = 1.0
"""Seconds that nobody shares after a shared transaction has failed."""
LAST_WAIT = 10.0
"""Seconds that a mover which has been stopped waits for a turn that has taken its batch."""


class _Message(Enum):
    LEAD = auto()
    MOVED = auto()
    ALONE = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Counts:
    """What shared transactions have moved so far."""

    transactions: int = 0
    batches: int = 0


class Sharing:
    """Shared transactions on one target."""

    def __init__(self, connections: int) -> None:
        """`connections`: the most that the movers use."""
        self._connections = connections
        self._room = connections * ROOM
        self._lock = Lock()
        self._log = logging.getLogger(__name__)
        self._members = 0
        self._waiting: dict[Member, SmallBatch] = {}
        self._leader: Member | None = None
        self._began = self._paused_until = float("-inf")
        self.counts = Counts()
        """Written by whoever has the turn, read by any thread."""

    def member(self, target: Sessions) -> "Member":
        """Add a mover, which must be closed once."""
        with self._lock:
            self._members += 1
        return Member(self, target)

    def leave(self) -> None:
        """Remove a mover."""
        with self._lock:
            self._members -= 1

    @property
    def is_open(self) -> bool:
        """Whether to share: there are more movers than connections, and the last turn went well."""
        return self._members > self._connections and time.monotonic() > self._paused_until

    def take_room(self, size: int) -> bool:
        """Take room for so many bytes, if there is as much."""
        with self._lock:
            if self._room < size:
                return False
            self._room -= size
            return True

    def give_room(self, size: int) -> None:
        """Give room back."""
        with self._lock:
            self._room += size

    def enter(self, member: "Member", batch: SmallBatch) -> bool:
        """Let a batch wait for a turn. Returns whether the member must take the turn itself."""
        with self._lock:
            self._waiting[member] = batch
            if self._leader is not None:
                return False
            self._leader = member
            return True

    def withdraw(self, member: "Member") -> bool:
        """Take back a batch; False: a turn has taken it."""
        with self._lock:
            withdrawn = self._waiting.pop(member, None) is not None
            if self._leader is member:
                self._pass_on()
            return withdrawn

    def take_turn(self, leader: "Member", target: Sessions) -> None:
        """Write what is ready, and answer all whose batches were taken, the leader included.

        Raises only what no one expects; the others are answered nevertheless.
        """
        taken: dict[Member, SmallBatch] = {}
        moved: frozenset[str] = frozenset()
        lost = False
        try:
            if (early := self._began + PACE - time.monotonic()) > 0:
                time.sleep(early)
            with target.session() as connection:
                self._began = time.monotonic()
                taken = self._take(leader)
                moved = write_together(connection, list(taken.values()))
            if moved:
                self.counts = Counts(self.counts.transactions + 1, self.counts.batches + len(moved))
            self._log.debug("%d of %d batches shared a transaction", len(moved), len(taken))
        except QueueMoverError as error:
            # Those concerned find out themselves, each in a transaction of its own.
            self._log.debug("shared transaction of %d batches failed: %s", len(taken), error)
            lost = isinstance(error, UnavailableError | StoppingError)
            self._paused_until = time.monotonic() + PAUSE
        finally:
            self._end_turn(taken, moved, lost=lost)

    def _take(self, leader: "Member") -> dict["Member", SmallBatch]:
        with self._lock:
            # The leader's own first: its turn must not be in vain.
            chosen = [leader, *(each for each in self._waiting if each is not leader)][:MOST]
            return {each: self._waiting.pop(each) for each in chosen}

    def _end_turn(
        self, taken: dict["Member", SmallBatch], moved: frozenset[str], *, lost: bool
    ) -> None:
        with self._lock:
            if lost:
                # Nobody waits for others to find out again that the target is unavailable.
                taken = taken | self._waiting
                self._waiting.clear()
            self._pass_on()
        for member, batch in taken.items():
            was_moved = batch.route.consumer in moved
            member.answer(_Message.MOVED if was_moved else _Message.ALONE, batch)

    def _pass_on(self) -> None:
        """Give the next turn to the one who has waited longest. Call with the lock."""
        self._leader = next(iter(self._waiting), None)
        if self._leader:
            self._leader.answer(_Message.LEAD, self._waiting[self._leader])


class Room:
    """The room that one batch takes."""

    def __init__(self, take: Callable[[int], bool]) -> None:
        self._take = take
        self.taken = 0
        """Bytes."""
        self.needed = 0
        """Bytes that would have been taken, had there been room for one step more."""

    def take(self, size: int) -> bool:
        """Take so many bytes more, if there is as much."""
        self.needed = self.taken + size
        if self.needed > LARGEST_BATCH or not self._take(size):
            return False
        self.taken = self.needed
        return True


class Member:
    """A mover that may share transactions. It is used by its own thread, except for `stop`."""

    def __init__(self, sharing: Sharing, target: Sessions) -> None:
        self._sharing = sharing
        self._target = target
        self._inbox: SimpleQueue[tuple[_Message, SmallBatch | None]] = SimpleQueue()

    @property
    def is_open(self) -> bool:
        """Whether to share now."""
        return self._sharing.is_open

    @contextmanager
    def room(self) -> Iterator["Room"]:
        """Room for one batch, until it has been written."""
        room = Room(self._sharing.take_room)
        try:
            yield room
        finally:
            self._sharing.give_room(room.taken)

    def write(self, batch: SmallBatch) -> bool:
        """Write a batch together with others. False: its mover must do it alone.

        Raises StoppingError; then the batch may have been written, which the next start finds out.
        """
        try:
            if self._sharing.enter(self, batch):
                self._sharing.take_turn(self, self._target)
            while (answer := self._next(batch)) not in (_Message.MOVED, _Message.ALONE):
                if answer is _Message.LEAD:
                    self._sharing.take_turn(self, self._target)
                else:
                    return self._stopped(batch)
        except BaseException:
            # Nobody may wait for a leader that has gone.
            self._sharing.withdraw(self)
            raise
        return answer is _Message.MOVED

    def _next(self, batch: SmallBatch, timeout: float | None = None) -> _Message:
        """The next message, except those about an earlier batch, whose turn has failed. Raises
        Empty after the timeout, in seconds; None: never."""
        while True:
            message, concerned = self._inbox.get(timeout=timeout)
            if message is _Message.STOP or concerned is batch:
                return message

    def _stopped(self, batch: SmallBatch) -> bool:
        if not self._sharing.withdraw(self):
            with suppress(Empty):
                if self._next(batch, LAST_WAIT) is _Message.MOVED:
                    return True
        raise StoppingError("stopped while waiting for a turn at the target")

    def answer(self, message: _Message, batch: SmallBatch) -> None:
        """From another thread: what has become of the batch, or what to do."""
        self._inbox.put((message, batch))

    def stop(self) -> None:
        """From another thread: stop waiting."""
        self._inbox.put((_Message.STOP, None))

    def close(self) -> None:
        """Remove this mover."""
        self._sharing.leave()
