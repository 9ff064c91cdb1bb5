"""What an ini file means: frozen, validated settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from queue_mover.config.http import HttpSettings
from queue_mover.model import BatchLimits, Policy, Route
from queue_mover.postgres.conninfo import location
from queue_mover.system.logs import LogSettings


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """The settings of a process; times in seconds."""

    job_name: str
    service_name: str
    pidfile: Path | None
    loop_delay: float
    connection_lifetime: float
    exception_sleep: float
    exception_quiet: tuple[str, ...]
    exception_grace: float
    exception_reset: float
    keepalive_stats: float

    @property
    def looping(self) -> bool:
        """Whether it continues when there is nothing to do, and after errors."""
        return self.loop_delay > 0


@dataclass(frozen=True, slots=True)
class MoverSettings:
    """One source queue and its target."""

    source: str
    """Name of its [source:NAME] section; "" where the file has none."""
    src_db: str
    dst_db: str
    route: Route
    limits: BatchLimits
    policy: Policy
    process: ProcessSettings
    trouble_after: float
    """Seconds that events may wait before `pgqadm status --movers` reports it."""
    found: int = 0
    """The ID of its queue where a pattern has found it, so that it may be dropped; 0: named."""

    @property
    def route_key(self) -> tuple[str, ...]:
        """The source database and queue, and the target database."""
        return (*location(self.src_db), self.route.queue, *location(self.dst_db))


def consumers_by_route(movers: Iterable[MoverSettings]) -> dict[tuple[str, ...], frozenset[str]]:
    """The consumers that move the same source queue to the same target, by their route key."""
    consumers: dict[tuple[str, ...], frozenset[str]] = {}
    for mover in movers:
        known = consumers.get(mover.route_key, frozenset())
        consumers[mover.route_key] = known | {mover.route.consumer}
    return consumers


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything queue_mover3 reads from its file."""

    process: ProcessSettings
    log: LogSettings
    movers: tuple[MoverSettings, ...]
    dst_connections: int
    share_transactions: bool
    """Whether small batches of different sources share transactions on the target."""
    refresh: float
    """Seconds between refreshes of the sources; 0: none."""
    warnings: tuple[str, ...]
    refused: Mapping[str, str]
    """Sources that cannot be run, and why: rows of the catalogue, queues, those in `waiting`."""
    http: HttpSettings
    waiting: Mapping[str, MoverSettings] = field(default_factory=dict)
    """Sources of which no queue is known yet, by their names in `refused`."""


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """Everything pgqadm reads from its file; delays in seconds."""

    process: ProcessSettings
    log: LogSettings
    db: str
    maint_delay: float
    retry_delay: float
    ticker_log_delay: float
    pgq_sql: Path | None
    trouble_after: float
    """Seconds that events may wait before `pgqadm status` reports it."""
    warnings: tuple[str, ...]
    flavour: str = ""
    """A flavour's schema; "": what the database has."""
    pgque_sql: Path | None = None
