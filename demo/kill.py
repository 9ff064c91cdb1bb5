"""SIGKILL for the mover at the worst moment: half-way through a batch."""

import time

import psycopg
from psycopg import sql

from demo.movers import JOB, Movers
from demo.screen import Screen
from demo.servers import TARGET_QUEUE, Databases
from demo.shop import Shop
from queue_mover.postgres.locks import lock_key
from testbed.database import value
from testbed.processes import wait_until
from testbed.queues import qualified, queue_table
from testbed.sessions import backends

IMPORTED_EVENTS = 40_000
"""in one transaction, for a batch that takes a while"""
SENT_BEFORE_KILL = 15_000
"""events of it that central must have received before the kill"""
TIMEOUT = 10.0


def kill_in_the_middle(
    screen: Screen, databases: Databases, movers: Movers, shop: Shop, shard: str
) -> None:
    """Write a big transaction, kill the mover while it moves it, and explain."""
    screen.say(
        f"Now one transaction writes {IMPORTED_EVENTS:,} events into {shard}, and the daemon is",
        "killed while it sends them to central:",
    )
    with databases.central.connect() as central:
        shop.import_stock(shard, IMPORTED_EVENTS)
        sent = _wait_for_copy(central, movers.consumer(shard))
        pid = movers.kill()
        screen.command(f"kill -9 {pid}")
        wait_until(
            lambda: not backends(central, JOB), TIMEOUT, "central to notice that the mover is gone"
        )
        committed = _imported(central, shard)
    if sent and not committed:
        screen.say(
            f"It had sent {sent:,} events of that batch. central has none of them: events and",
            "position commit together or not at all.",
        )
    elif committed:
        screen.say(
            f"central had just committed the batch ({committed:,} events) together with its",
            "position. The shard does not know, but nothing will arrive twice.",
        )
    else:
        screen.say("It had not sent any of them yet.")


def _wait_for_copy(central: psycopg.Connection, consumer: str) -> int:
    """Wait until enough of a consumer's batch has arrived; returns how many events.

    All sources of a process write through the same few connections. The one that is writing for
    this consumer holds its lock.
    """
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        row = central.execute(
            "select max(tuples_processed) from pg_stat_progress_copy"
            " join pg_locks using (pid)"
            " where locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = %s",
            [lock_key("target", consumer)],
        ).fetchone()
        if row is not None and row[0] is not None and row[0] >= SENT_BEFORE_KILL:
            return int(row[0])
    return 0


def _imported(central: psycopg.Connection, shard: str) -> int:
    """How many events of the big transaction are in central."""
    statement = "select count(*) from {} where ev_type = 'stock.import' and ev_extra4 = %s"
    table = qualified(queue_table(central, TARGET_QUEUE))
    return int(value(central, sql.SQL(statement).format(table), shard))
