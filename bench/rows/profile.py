"""Where the time of a small batch goes, from the durations that the servers log."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import LiteralString

from psycopg import sql

from bench import workload
from bench.contenders import queue_mover
from bench.figures import spread
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.servers import ROLE
from testbed.cluster import Cluster

EVENTS = 20

DURATION = re.compile(r"duration: ([\d.]+) ms  statement: (.*)")


@dataclass(frozen=True)
class Message:
    """One of the messages that move a batch, identified by its first words."""

    side: str
    name: str
    prefix: str


COPY_TO = Message("source", "COPY TO", "select set_config")
COPY_FROM = Message("target", "COPY FROM, at the same time", "COPY")
MESSAGES = (
    Message("source", "finish the last batch, get the next", "begin"),
    Message("target", "lock, event table, position", "begin"),
    COPY_TO,
    COPY_FROM,
    Message("target", "set the position, commit", "select queue_mover.advance_position"),
)


def run(bench: Bench) -> Outcome:
    """One tick at a time: first without logging, then with every message logged."""
    count = bench.size(2_000, 200)
    mover = queue_mover(max_batch_events="0")
    clusters = {"source": bench.servers.source, "target": bench.servers.target}
    with workload.ticks(bench.servers, count, EVENTS) as waiting:
        walls = []
        for _ in range(bench.repeats(3)):
            mover.prepare(waiting)
            everything, nothing = mover.run(waiting).wall, mover.run(waiting).wall
            walls.append(1000 * (everything - nothing) / count)
        mover.prepare(waiting)
        starts = {side: cluster.log_file.stat().st_size for side, cluster in clusters.items()}
        _log_statements(clusters, "set log_min_duration_statement = 0")
        mover.run(waiting)
        _log_statements(clusters, "reset log_min_duration_statement")
    took = {
        message: median(_durations(clusters[message.side], starts[message.side], message))
        for message in MESSAGES
    }
    # The two COPYs run at the same time.
    serial = sum(took.values()) - min(took[COPY_TO], took[COPY_FROM])
    wall = spread(walls).middle
    return Outcome(
        f"Where the time of a batch of {EVENTS} events goes",
        (
            Finding(
                f"a batch of {EVENTS} events: in the servers, one after the other",
                "to see the limit",
                f"{serial:.2f} ms of {wall:.2f} ms",
                None,
            ),
        ),
        ("server", "message", "milliseconds"),
        (
            *((message.side, message.name, f"{took[message]:.2f}") for message in MESSAGES),
            ("", "the mover, and process wake-ups", f"{wall - serial:.2f}"),
        ),
    )


def _log_statements(clusters: dict[str, Cluster], setting: LiteralString) -> None:
    for cluster in clusters.values():
        with cluster.connect() as conn:
            conn.execute(sql.SQL("alter role {} {}").format(sql.Identifier(ROLE), sql.SQL(setting)))


def _durations(cluster: Cluster, start: int, message: Message) -> Iterator[float]:
    with cluster.log_file.open() as log:
        log.seek(start)
        for line in log:
            found = DURATION.search(line)
            if found and found[2].startswith(message.prefix):
                yield float(found[1])
