"""Produced, moved, lag: measured from the outside while it runs."""

import time
from dataclasses import dataclass
from typing import Self

from psycopg import sql

from demo.movers import Movers
from demo.servers import SOURCE_QUEUE, TARGET_QUEUE, Databases
from demo.shop import Shop, Tally
from testbed.queues import qualified, queue_table


@dataclass(frozen=True)
class Sample:
    """One measurement."""

    seconds: float
    """since the start"""
    moved: dict[str, int]
    """events in central, by shard"""
    produced: dict[str, int]
    """events committed on the shards a moment later, by shard"""
    lags: dict[str, float]
    """in seconds, by shard; 0 if nothing is waiting"""

    @property
    def lag(self) -> float:
        """Of the slowest shard."""
        return max(self.lags.values())

    @property
    def total_moved(self) -> int:
        """Of all shards."""
        return sum(self.moved.values())

    @property
    def total_produced(self) -> int:
        """Of all shards."""
        return sum(self.produced.values())

    @property
    def waiting(self) -> list[str]:
        """What has not arrived, one line per shard."""
        return [
            f"{shard}   waiting {self.produced[shard] - self.moved[shard]:>7,}   lag {lag:4.1f} s"
            for shard, lag in self.lags.items()
        ]

    def __str__(self) -> str:
        minutes, seconds = divmod(int(self.seconds), 60)
        return (
            f"{minutes}:{seconds:02}   produced {self.total_produced:>8,}"
            f"   moved {self.total_moved:>8,}   lag {self.lag:4.1f} s"
        )


class Progress:
    """Counts events over its own connections; as a context manager, closed on exit."""

    def __init__(self, databases: Databases, movers: Movers, shop: Shop) -> None:
        self._shop = shop
        self._shards = {
            shard.name: (shard.connect(), movers.consumer(shard.name)) for shard in databases.shards
        }
        self._central = databases.central.connect()
        self._settled = {shard.name: 0 for shard in databases.shards}
        self._horizon = 0
        self._began = time.monotonic()
        self._count = sql.SQL("""
            select ev_extra4, count(*),
                   count(*) filter (where ev_txid < txid_snapshot_xmin(txid_current_snapshot())),
                   txid_snapshot_xmin(txid_current_snapshot())
              from {} where ev_txid >= %s group by 1
        """).format(qualified(queue_table(self._central, TARGET_QUEUE)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for conn in (self._central, *(conn for conn, _ in self._shards.values())):
            conn.close()

    def sample(self) -> Sample:
        """Measure now."""
        seconds = time.monotonic() - self._began
        moved = self._moved()
        ages = {shard: self._lag(shard) for shard in moved}
        produced = {shard: tally.committed for shard, tally in self.tallies().items()}
        # A writer counts its events just after they commit; the mover can be faster.
        produced = {shard: max(count, moved[shard]) for shard, count in produced.items()}
        # If nothing is waiting, PgQ's lag is the time since the last event.
        lags = {
            shard: age if moved[shard] < produced[shard] else 0.0 for shard, age in ages.items()
        }
        return Sample(seconds, moved, produced, lags)

    def tallies(self) -> dict[str, Tally]:
        """What the writers have written."""
        return dict(self._shop.tallies())

    def _moved(self) -> dict[str, int]:
        """Count what arrived since the last sample; older transactions cannot add more."""
        moved = dict(self._settled)
        horizon = self._horizon
        for shard, fresh, settled, xmin in self._central.execute(self._count, [self._horizon]):
            if shard in moved:
                moved[shard] += fresh
                self._settled[shard] += settled
            horizon = xmin
        self._horizon = horizon
        return moved

    def _lag(self, shard: str) -> float:
        conn, consumer = self._shards[shard]
        row = conn.execute(
            "select extract(epoch from lag)::float8 from pgq.get_consumer_info(%s, %s)",
            [SOURCE_QUEUE, consumer],
        ).fetchone()
        return float(row[0]) if row and row[0] is not None else 0.0
