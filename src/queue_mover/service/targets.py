"""What all movers of a process share."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from queue_mover.config.settings import MoverSettings, consumers_by_route
from queue_mover.moving.sharing import Member, Sharing
from queue_mover.moving.target_states import TargetStates
from queue_mover.observation.progress import SharedWork
from queue_mover.postgres.database import Database
from queue_mover.postgres.pool import Pool, PoolClient
from queue_mover.service.error_record import ErrorRecord


@dataclass(slots=True)
class Targets:
    """Connections to targets, and who moves there."""

    _pools: dict[tuple[object, ...], Pool] = field(default_factory=dict)
    _sharing: dict[Pool, Sharing] = field(default_factory=dict)
    _running: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)
    errors: ErrorRecord = field(default_factory=ErrorRecord)
    _logged: dict[tuple[str, str], object] = field(default_factory=dict)
    _states: dict[str, TargetStates] = field(default_factory=dict)

    def set_movers(self, movers: Iterable[MoverSettings]) -> None:
        """Replace the movers of the process."""
        self._running = consumers_by_route(movers)

    def running(self, settings: MoverSettings) -> frozenset[str]:
        """The consumers of the process that move the same source queue to the same target."""
        return self._running.get(settings.route_key, frozenset())

    def is_news(self, settings: MoverSettings, text: str) -> bool:
        """Whether no mover has logged this about the same target yet."""
        mine = object()
        return self._logged.setdefault((settings.dst_db, text), mine) is mine

    def states(self, settings: MoverSettings) -> TargetStates:
        """What the movers with the same target find out about it when they start."""
        return self._states.setdefault(settings.dst_db, TargetStates())

    def shared(self) -> SharedWork:
        """From any thread: what the movers share now, and have moved together."""
        counts = [each.counts for each in list(self._sharing.values())]
        return SharedWork(
            sum(pool.open for pool in list(self._pools.values())),
            sum(count.transactions for count in counts),
            sum(count.batches for count in counts),
        )

    def client(self, settings: MoverSettings, size: int) -> PoolClient:
        """A client of the pool for a mover's target; `size`: the most connections it opens."""
        return self._pool(settings, size).client()

    def sharing(self, settings: MoverSettings, size: int, client: PoolClient) -> Member:
        """What lets a mover share transactions on its target with others."""
        pool = self._pool(settings, size)
        if pool not in self._sharing:
            self._sharing[pool] = Sharing(size)
        return self._sharing[pool].member(client)

    def _pool(self, settings: MoverSettings, size: int) -> Pool:
        process = settings.process
        flavour = settings.route.target_flavour
        how = (settings.dst_db, process.job_name, process.connection_lifetime, flavour)
        key = (*how, size)
        if key not in self._pools:
            self._pools[key] = Pool([Database("target", *how) for _ in range(size)])
        return self._pools[key]
