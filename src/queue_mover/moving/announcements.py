"""Sleep until the source announces a tick, instead of asking for one again and again.

Nothing depends on announcements: the mover asks by itself every `LOOK` seconds. Where it finds a
tick that was not announced, it polls again as without them.
"""

import random
from contextlib import suppress

from psycopg import Notify, sql

from queue_mover.errors import UnavailableError
from queue_mover.model import BatchLimits, Log, Route
from queue_mover.moving.session import on_source
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Sessions
from queue_mover.system.waker import AVAILABLE, Waker

LOOK = 30.0
"""Seconds between queries for a tick that was not announced, on average."""
SPREAD = 0.2
"""By which share these seconds vary: many movers that start together must not all ask at once."""
LONGEST_SLEEP = LOOK * (1 + SPREAD)
"""Seconds."""
IN_VAIN = 0.1
"""Seconds of sleep after an announcement that brought no batch: somebody may send too many."""


class Announcements:
    """The announcements of one source queue, for a mover that is idle."""

    def __init__(self, limits: BatchLimits, log: Log) -> None:
        self._log = log
        # A tick that is too young, or too small a batch, becomes ready without an announcement.
        self._possible = AVAILABLE and not (
            limits.keep_lag or limits.min_interval or limits.min_events
        )
        self._waker = Waker()
        self._listening: Connection | None = None
        self._announced = True
        self._noted = False
        self._in_vain = False
        self._missed = False

    def sleep(self, source: Sessions, route: Route, seconds: float) -> bool:
        """Sleep until a tick is announced, `wake` is called or it is time to look.

        `seconds`: what the mover would sleep without announcements. Returns False where it must.
        """
        if not self._possible or self._missed:
            return False
        with suppress(UnavailableError), on_source(source, route) as src:
            if src is self._listening:
                if self._in_vain:
                    self._waker.sleep(None, IN_VAIN)
                self._wait(src, max(seconds, LOOK * random.uniform(1 - SPREAD, 1 + SPREAD)))
            else:
                self._listen(src, route)
        # An error is the next step's: it tries to connect again.
        return True

    def _listen(self, src: Connection, route: Route) -> None:
        """Ask for announcements. What came before has to be looked for: no sleep yet."""
        channel = route.source_flavour.tick_channel(route.queue)
        src.add_notify_handler(self._note)
        src.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        self._listening = src
        self._announced = True

    def _note(self, _: Notify) -> None:
        """Of the driver: a notification came with the answer to a statement."""
        self._noted = True

    def _wait(self, src: Connection, seconds: float) -> None:
        self._announced = self._received(src)
        if not self._announced and self._waker.sleep(src.fileno(), seconds):
            self._announced = self._received(src)
        self._in_vain = self._announced

    def _received(self, src: Connection) -> bool:
        """Whether something was announced since the last time."""
        src.pgconn.consume_input()
        found, self._noted = self._noted, False
        while src.pgconn.notifies():
            found = True
        return found

    def found_batch(self, src: Connection) -> None:
        """Note a batch after a sleep. One that nobody announced ends the sleeping."""
        self._in_vain = False
        if self._announced or src is not self._listening:
            return
        self._announced = self._received(src)
        if not self._announced:
            self._missed = True
            self._log.warning(
                "a tick was not announced: looking for ticks every loop_delay again; remedy:"
                " pgqadm.py CONFIG install --notify, and no pooler in transaction mode for src_db"
            )

    def trust(self) -> None:
        """Rely on announcements again, after both sides were checked."""
        self._missed = False

    def wake(self) -> None:
        """From another thread: sleep no more."""
        self._waker.wake()

    def close(self) -> None:
        """Sleep no more; give the file descriptor back."""
        self._waker.close()
