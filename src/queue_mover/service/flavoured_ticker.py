"""`pgqadm ticker` for each PgQ of a database: one process, and a connection for each."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from queue_mover.errors import QueueMoverError, UnavailableError
from queue_mover.model import PGQ, Flavour
from queue_mover.observation.progress import BatchInProgress
from queue_mover.pgq.presence import present, scheduler
from queue_mover.postgres.database import Database
from queue_mover.service.job import Step

CHECK_SECONDS = 60.0
"""Between checks for a PgQ that was installed or removed meanwhile."""


class Ticker(Protocol):
    """Ticks one PgQ; raises as a `Job` does."""

    def prepare(self) -> None:
        """Tick for the first time, once."""

    def step(self) -> Step:
        """Tick, and do a piece of the maintenance."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(slots=True)
class Ticked:
    """A flavour that is ticked."""

    flavour: Flavour
    job: Ticker
    failure: str = ""
    """Why it has failed while another one worked; empty: it has not."""
    retry_at: float = 0.0
    """On the monotonic clock: when a failed one is tried again."""


class FlavouredTicker:
    """Ticks the PgQ that the config names, else each one that the database has.

    If one of two fails, the other is ticked nevertheless.
    """

    def __init__(
        self,
        connect: Callable[[Flavour], Database],
        make: Callable[[Flavour, Database], Ticker],
        log: logging.Logger,
        *,
        wanted: str,
        pause: float,
    ) -> None:
        """`make`: a ticker; `wanted`: a flavour's schema, or "" for all; `pause`: seconds until a
        failed one is tried again while another one works."""
        self._connect = connect
        self._make = make
        self._log = log
        self._wanted = wanted
        self._pause = pause
        self._ticked: tuple[Ticked, ...] = ()
        self._databases: dict[Flavour, Database] = {}
        self._check_at = 0.0

    def prepare(self) -> None:
        """Find what to tick, and tick it once. Raises if something cannot be ticked."""
        if self._ticked:
            return
        found = tuple(self._new(flavour) for flavour in self._find())
        for each in found:
            each.job.prepare()
            self._introduce(each, alone=len(found) == 1)
        self._ticked = found
        self._close_unused()

    def step(self) -> Step:
        """A step of each."""
        if not self._wanted and time.monotonic() >= self._check_at:
            self._update()
        steps, errors = list[Step](), list[Exception]()
        may_wait = not all(each.failure for each in self._ticked)
        for each in self._ticked:
            if each.failure and may_wait and time.monotonic() < each.retry_at:
                continue
            try:
                each.job.prepare()
                steps.append(each.job.step())
            except UnavailableError:
                raise
            except QueueMoverError as error:
                errors.append(error)
                self._note(each, str(error))
            else:
                self._note(each, "")
        if errors and not steps:
            raise errors[0]
        return Step(worked=any(step.worked for step in steps))

    def _note(self, each: Ticked, failure: str) -> None:
        """Log a change; a single one is logged by who runs this job."""
        if len(self._ticked) > 1 and failure and failure != each.failure:
            self._log.error("%s; retrying every %g s", failure, self._pause)
        if len(self._ticked) > 1 and each.failure and not failure:
            self._log.info("%s: recovered: working again", each.flavour.name)
        each.failure = failure if len(self._ticked) > 1 else ""
        each.retry_at = time.monotonic() + self._pause

    def _find(self) -> tuple[Flavour, ...]:
        self._check_at = time.monotonic() + CHECK_SECONDS
        known = self._ticked[0].flavour if self._ticked else PGQ
        with self._database(known).session() as connection:
            return present(connection, self._wanted)

    def _update(self) -> None:
        """Follow what was installed or removed."""
        found = self._find()
        for each in self._ticked:
            if each.flavour not in found:
                self._log.warning("%s: no longer installed, not ticked", each.flavour.name)
        kept = tuple(each for each in self._ticked if each.flavour in found)
        known = {each.flavour for each in kept}
        added = tuple(self._new(flavour) for flavour in found if flavour not in known)
        self._ticked = kept + added
        self._close_unused()
        for each in added:
            self._introduce(each, alone=False)

    def _new(self, flavour: Flavour) -> Ticked:
        return Ticked(flavour, self._make(flavour, self._database(flavour)))

    def _database(self, flavour: Flavour) -> Database:
        return self._databases.setdefault(flavour, self._connect(flavour))

    def _close_unused(self) -> None:
        for flavour in set(self._databases) - {each.flavour for each in self._ticked}:
            self._databases.pop(flavour).close()

    def _introduce(self, each: Ticked, *, alone: bool) -> None:
        """Log what is ticked, unless it is PgQ alone, and who else ticks it."""
        if not alone or each.flavour != PGQ:
            self._log.info("ticking %s", each.flavour.name)
        with self._database(each.flavour).session() as connection:
            other = scheduler(connection, each.flavour)
        if other:
            self._log.warning(
                "%s is already ticked by %s: harmless, but one ticker is enough; remedy: SELECT"
                " %s.stop(), or stop this ticker",
                each.flavour.name,
                other,
                each.flavour.schema,
            )

    def sleep(self, seconds: float, stopping: Event) -> None:
        """No longer and no less."""
        stopping.wait(seconds)

    def finish(self) -> None:
        """Nothing to finish: a chore starts again at the next start."""

    def close(self) -> None:
        """Close the connections, and forget the chores that were running on them."""
        for each in self._ticked:
            each.job.close()
        for database in self._databases.values():
            database.close()

    def stop(self) -> None:
        """Nothing to do: a step is short."""

    def waiting_since(self) -> float | None:
        """Since when it waits for the server."""
        found = [database.waiting_since() for database in list(self._databases.values())]
        return min((since for since in found if since is not None), default=None)

    def batch(self) -> BatchInProgress | None:
        """None: it has no batches."""
        return None

    def connections(self) -> Mapping[str, int]:
        """To the database."""
        return {"source": sum(each.is_open for each in list(self._databases.values()))}

    def abandon(self) -> None:
        """Close the connections under the running step."""
        for database in list(self._databases.values()):
            database.abandon()
