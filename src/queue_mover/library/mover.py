"""A mover inside another program: it moves, waits and stops when that program says so."""

import math
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self, Unpack

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import ConfigError, QueueMoverError, StoppingError, UnregisteredError
from queue_mover.library.loading import WHO, Config, load
from queue_mover.library.moved_batch import MovedBatch, Ticks
from queue_mover.library.parameters import Parameters
from queue_mover.model import Log, Outcome, Result
from queue_mover.moving import mover as moving
from queue_mover.moving.announcements import LONGEST_SLEEP
from queue_mover.postgres.database import Database
from queue_mover.system import logs
from queue_mover.system.waker import AVAILABLE, Waker

POLL = 1.0
"""Seconds between attempts while another mover has the consumer, and where `loop_delay` is 0."""

CONFIRM_INTERVAL = 1.0
"""Seconds between the two checks that a consumer was unregistered."""

NAP = 0.1
"""Seconds between looks for a stop, on systems that cannot end a sleep."""


class Mover:
    """Moves the events of one source queue into a target queue, one batch per step, exactly once.

    Data and position of a batch commit together on the target, so whatever ends the program, and
    whenever, the next Mover of the same consumer (or the command queue_mover3) continues where it
    ended. To iterate is to move; a batch is yielded when it is committed:

        with Mover("mover.ini") as mover:
            for batch in mover:
                print(batch.source, batch.events)

    It connects when it first moves. It sets no signal handlers, starts no threads, and logs to the
    logger "queue_mover" of `logging` without setting that up. Use it from one thread at a time;
    only `stop` and `abandon` may be called from others.

    It does not retry: each error is raised, nothing of its batch is on the target, and the next
    step starts again from the state of the two databases.
    """

    def __init__(
        self,
        config: Config | None = None,
        source: str = "",
        *,
        follow: bool = False,
        timeout: float | None = None,
        **parameters: Unpack[Parameters],
    ) -> None:
        """`config`: path of a file for queue_mover3; None: all is in the arguments. `source`: one
        of its sections, as for --source; a file with one source needs none.

        `follow`: iterating waits for further ticks, instead of ending when none is waiting.
        `timeout`: it waits too, but ends after so many seconds without a batch.

        `parameters`: keys of the config file (docs/configuration.md), such as `max_batch_events`;
        they replace those of the file, and a % in them is literal. Without a file, src_db, dst_db,
        queue_name, dst_queue_name and consumer_name are required.

        Raises ConfigError; UnavailableError when a database that lists the sources cannot be
        reached.
        """
        if timeout is not None and not timeout >= 0:
            raise ConfigError(f"{WHO}: timeout: {timeout!r} is not a number of seconds, 0 or more")
        settings, warnings = load(config, source, parameters)
        self._patience = timeout if timeout is not None else math.inf if follow else 0.0
        self._settings = settings
        self._log = logs.logger("queue_mover", settings.source)
        for warning in warnings:
            self._log.warning("%s", warning)
        self._mover = _mover(settings, self._log)
        self._waker = Waker()
        # Plain flags: a signal handler must not wait for a lock that it has interrupted.
        self._stopping = False
        self._abandoned = False
        self._closed = False
        self._standing_by = False

    @property
    def source(self) -> str:
        """Name of the source's section; of the job where the config has no sections."""
        return self._settings.source or self._settings.process.job_name

    @property
    def queue(self) -> str:
        """The queue on the source."""
        return self._settings.route.queue

    @property
    def target_queue(self) -> str:
        """The queue on the target; words where the events name it (dst_queue_field)."""
        return self._settings.route.target_queue

    @property
    def consumer(self) -> str:
        """The consumer on the source queue, and key of the position on the target."""
        return self._settings.route.consumer

    @property
    def stopped(self) -> bool:
        """Whether it was stopped, abandoned or closed."""
        return self._stopping

    def __repr__(self) -> str:
        return f"<Mover {self.source}: {self.queue} to {self.target_queue}>"

    def prepare(self) -> None:
        """Check both sides, and register a new consumer, as the first step does by itself.

        Raises as `move_batch`.
        """
        self._require_open()
        self._mover.prepare()

    def move_batch(self) -> MovedBatch | None:
        """Move the next batch; None: none is ready, another mover has the consumer, or we stop.

        Raises NotReadyError for what an operator must set right first; LostPositionError and
        UnlockedMoverError where going on could lose or double events; BadEventError and
        ExpressionError for an event that cannot be moved; UnregisteredError when somebody has
        unregistered the consumer meanwhile; UnavailableError for a server that does not answer,
        the only one that a retry mends by itself; StatementError for any other error of a
        database; StoppingError after `abandon` and `close`. All are QueueMoverErrors.
        """
        found = self._step()
        return found if isinstance(found, MovedBatch) else None

    def __iter__(self) -> Iterator[MovedBatch]:
        """Move batches until none is waiting; see `follow` and `timeout`. Raises as `move_batch`.

        While another mover has the consumer it waits, as the command does. After an error,
        iterate again.
        """
        until = time.monotonic() + self._patience
        while not self._stopping:
            found = self._step()
            if isinstance(found, MovedBatch):
                yield found
                until = time.monotonic() + self._patience
                continue
            left = until - time.monotonic()
            if found is Result.IDLE or self._patience:
                if left <= 0:
                    break
                self._wait(left)
            else:
                self.sleep(POLL)
        if not self._closed:
            self._finish()

    def sleep(self, seconds: float) -> bool:
        """Sleep; `stop` ends it at once. Returns False if the mover was stopped."""
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            if AVAILABLE:
                self._waker.sleep(None, min(left, LONGEST_SLEEP))
            else:
                time.sleep(min(left, NAP))
        return not self._stopping

    def stop(self) -> None:
        """From any thread, or a signal handler: end the iteration after the batch in progress.

        It ends for good: make a new Mover to go on. A mover that is connecting to a server gives
        up after the connect_timeout of its connect string (10 s).
        """
        self._stopping = True
        self._waker.wake()
        self._mover.stop()

    def abandon(self) -> None:
        """From any thread: stop, and roll the batch in progress back, whatever the servers do.

        Its step raises StoppingError; the next mover moves it again.
        """
        self._abandoned = True
        self.stop()
        self._mover.abandon()

    def close(self) -> None:
        """Finish the last batch on the source, and close the connections.

        Raises nothing for a server that does not answer: the next mover finishes the batch.
        """
        if self._closed:
            return
        self._stopping = self._closed = True
        self._finish()
        self._mover.close()
        self._waker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        if self._closed:
            raise StoppingError(f"{self!r} is closed; remedy: make a new one")

    def _step(self) -> MovedBatch | Result:
        """Move the next batch, or say why none is."""
        self._require_open()
        while not self._stopping:
            began = time.monotonic()
            try:
                outcome = self._attempt()
            except QueueMoverError as error:
                if self._abandoned:
                    raise StoppingError("batch abandoned; it is moved again") from error
                raise
            if outcome.result is Result.MOVED:
                self._standing_by = False
                return self._moved(outcome, time.monotonic() - began)
            if outcome.result not in (Result.SKIPPED, Result.STALE):
                self._log_standby(outcome)
                return outcome.result
            self._log.info("batch %s: not applied again", outcome.result.value)
        return Result.IDLE

    def _attempt(self) -> Outcome:
        try:
            return self._mover.move_batch()
        except UnregisteredError:
            # For a moment, --register beside it has forgotten the old position and not registered.
            if not self.sleep(CONFIRM_INTERVAL):
                raise
            return self._mover.move_batch()

    def _moved(self, outcome: Outcome, seconds: float) -> MovedBatch:
        for note in outcome.quarantined:
            self._log.warning("quarantined: %s", note)
        copying = self._mover.copying
        return MovedBatch(
            self.source,
            Ticks(*copying.ticks),
            outcome.count,
            copying.size,
            seconds,
            outcome.quarantined,
        )

    def _log_standby(self, outcome: Outcome) -> None:
        if outcome.result is Result.BUSY and not self._standing_by:
            self._log.info("standing by: the consumer's lock is held by %s", outcome.holder)
        self._standing_by = outcome.result is Result.BUSY

    def _wait(self, seconds: float) -> None:
        """Until it is time to look for a tick again, at most so long."""
        pause = self._settings.process.loop_delay
        pause = pause if pause > 0 else POLL
        # Whoever waits for an announcement may wait that long.
        if seconds < LONGEST_SLEEP or not self._mover.sleep(pause):
            self.sleep(min(seconds, pause))

    def _finish(self) -> None:
        if self._abandoned:
            return
        try:
            self._mover.finish()
        except QueueMoverError as error:
            self._log.warning(
                "the last batch is on the target, but not finished on the source: %s; nothing is"
                " lost: the next mover of the consumer finishes it",
                error,
            )


def _mover(settings: MoverSettings, log: Log) -> moving.Mover:
    """The mover of a source, not connected yet."""
    process, route = settings.process, settings.route
    how = (process.job_name, process.connection_lifetime)
    return moving.Mover(
        route,
        settings.limits,
        Database("source", settings.src_db, *how, route.source_flavour),
        Database("target", settings.dst_db, *how, route.target_flavour),
        log,
        settings.policy,
    )
