"""Movers as jobs of the service."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Event

from queue_mover.config.queue_lists import QueueLists
from queue_mover.config.settings import MoverSettings, Settings
from queue_mover.errors import StoppingError, UnregisteredError
from queue_mover.model import BatchLimits, Log, Outcome, Result
from queue_mover.moving.mover import Mover
from queue_mover.moving.peers import Peers
from queue_mover.moving.registration import Registrar
from queue_mover.observation.progress import BatchInProgress
from queue_mover.postgres.conninfo import describe
from queue_mover.postgres.database import Database
from queue_mover.postgres.pool import PoolClient
from queue_mover.service.job import Job, JobSpec, Plan, Step
from queue_mover.service.recorded_job import RecordedJob
from queue_mover.service.targets import Targets
from queue_mover.system import logs
from queue_mover.system.limits import needed_files

REMINDER = 60.0
"""Seconds between log lines while another mover holds the lock."""

WATCH_INTERVAL = 1.0
"""Seconds between checks whether another program still moves the queue."""

CONFIRM_INTERVAL = 1.0
"""Seconds between the two checks that a consumer was unregistered."""

FIRST_DIVISOR = 20
"""How much smaller the first batch is where more sources than target connections start at once.
It is urgent, too: no source waits for the backlogs of others before its first events arrive."""


class MoverJob:
    """Moves one source queue, one batch per step."""

    def __init__(
        self,
        mover: Mover,
        source: Database,
        client: PoolClient,
        log: Log,
        first: BatchLimits | None,
    ) -> None:
        """`source` is the mover's alone. `client`: of the pool of connections to the target.
        `first`: limits of the first batch; None: the usual ones."""
        self._mover = mover
        self._source = source
        self._client = client
        self._log = log
        self._first = first
        self._reminded = float("-inf")
        self._missing = False

    def prepare(self) -> None:
        """Check both sides, and register a new consumer."""
        # A consumer that is missing is confirmed by the step.
        with suppress(UnregisteredError):
            self._mover.prepare()

    def step(self) -> Step:
        """Move the next batch."""
        try:
            outcome = self._mover.move_batch(self._first)
        except UnregisteredError as error:
            return self._confirm_unregistered(error)
        self._missing = False
        if outcome.result is Result.BUSY:
            self._log_standby(outcome)
            return Step(worked=False, standby=True)
        if outcome.result is Result.WATCHING:
            return Step(worked=False, delay=WATCH_INTERVAL)
        self._reminded = float("-inf")
        if outcome.result is Result.IDLE:
            return Step(worked=False)
        if outcome.result is Result.MOVED:
            self._first, self._client.urgent = None, False
        else:
            self._log.info("batch %s: not applied again", outcome.result.value)
        for note in outcome.quarantined:
            self._log.warning("quarantined: %s", note)
        return Step(
            worked=True,
            count=outcome.count,
            quarantined=len(outcome.quarantined),
            size=self._mover.copying.size if outcome.result is Result.MOVED else 0,
            span=self._mover.copying.span or 0,
            end_time=self._mover.copying.end_time,
        )

    def _confirm_unregistered(self, error: UnregisteredError) -> Step:
        """An operator who unregisters the consumer wants its mover to end, not to fail.

        Checked twice: for a moment, `--register` beside it has forgotten the old position and not
        registered yet.
        """
        if not self._missing:
            self._missing = True
            return Step(worked=False, delay=CONFIRM_INTERVAL)
        self._log.warning("%s", error)
        raise StoppingError("its consumer was unregistered") from error

    def _log_standby(self, outcome: Outcome) -> None:
        now = time.monotonic()
        if now - self._reminded >= REMINDER:
            self._reminded = now
            self._log.info("standing by: the consumer's lock is held by %s", outcome.holder)

    def sleep(self, seconds: float, stopping: Event) -> None:
        """Until the source announces a tick, where it does."""
        if not self._mover.sleep(seconds):
            stopping.wait(seconds)

    def stop(self) -> None:
        """Stop waiting for a connection to the target."""
        self._client.stop()
        self._mover.stop()

    def finish(self) -> None:
        """Finish the last batch on the source."""
        self._mover.finish()

    def close(self) -> None:
        """Close the connections."""
        self._mover.close()

    def waiting_since(self) -> float | None:
        """Since when it waits for a server."""
        return self._mover.waiting_since()

    def batch(self) -> BatchInProgress | None:
        """The batch that is being copied."""
        return self._mover.copying.seen(time.monotonic())

    def connections(self) -> Mapping[str, int]:
        """Of the source; those to the target are shared."""
        return {"source": int(self._source.is_open)}

    def abandon(self) -> None:
        """Close the connections under the running step."""
        self._mover.abandon()


def source_database(settings: MoverSettings) -> Database:
    """The source of a mover, not connected yet."""
    process = settings.process
    return Database(
        "source",
        settings.src_db,
        process.job_name,
        process.connection_lifetime,
        settings.route.source_flavour,
    )


def plan(settings: Settings, targets: Targets, lists: QueueLists | None = None) -> Plan:
    """The plan that runs the movers of a config. `lists`: the queues of its sources."""
    targets.set_movers(settings.movers)
    connections = settings.dst_connections
    crowded = len(settings.movers) > connections
    lists = lists or QueueLists()
    specs = [_spec(mover, settings, targets, lists, crowded=crowded) for mover in settings.movers]
    if settings.waiting:
        # Most files have no lists of queues.
        from queue_mover.service.queue_finder import waiting_specs  # noqa: PLC0415

        specs += waiting_specs(settings, lists)
    count = len(specs)
    return Plan(
        tuple(specs),
        settings.refresh,
        "1 source" if count == 1 else f"{count} sources",
        settings.warnings,
        {name: why for name, why in settings.refused.items() if name not in settings.waiting},
        needed_files(count, connections),
    )


def _spec(
    settings: MoverSettings,
    process: Settings,
    targets: Targets,
    lists: QueueLists,
    *,
    crowded: bool,
) -> JobSpec:
    connections, sharing = process.dst_connections, process.share_transactions
    limits = settings.limits
    first = replace(limits, max_events=limits.max_events // FIRST_DIVISOR) if crowded else None

    def make() -> Job:
        log = logs.logger(settings.process.job_name, settings.source)
        client = targets.client(settings, connections)
        source = source_database(settings)
        mover = Mover(
            settings.route,
            limits,
            source,
            client,
            log,
            settings.policy,
            Peers(
                lambda: targets.running(settings),
                targets.sharing(settings, connections, client) if sharing else None,
                lambda text: targets.is_news(settings, text),
                targets.states(settings),
            ),
        )
        job: Job = MoverJob(mover, source, client, log, first)
        if settings.found:
            from queue_mover.service.found_queue import FoundQueueJob  # noqa: PLC0415

            job = FoundQueueJob(job, settings, source, log, lists)
        return RecordedJob(job, settings, targets.errors)

    target = describe(settings.dst_db) if settings.source else ""
    return JobSpec(
        settings.source, (settings, connections, sharing), settings.process, make, target
    )


def registrar(settings: MoverSettings, targets: Targets) -> Registrar:
    """A registrar for the registration and position of a mover."""
    log = logs.logger(settings.process.job_name, settings.source)
    return Registrar(
        settings.route,
        source_database(settings),
        targets.client(settings, 1),
        log,
        lambda: targets.running(settings),
        settings.limits,
    )
