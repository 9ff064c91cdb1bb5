"""SIGKILL for the mover, at the worst moment: with half a batch on its way."""

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

IMPORT = 40_000
"""events in one transaction, which makes a batch that takes a while"""
ENOUGH = 15_000
"""events of it that have to be on the target's side before the kill"""
SECONDS = 10.0


def kill_in_the_middle(
    screen: Screen, databases: Databases, movers: Movers, shop: Shop, shard: str
) -> None:
    """Write a big transaction, and kill the mover while it moves that; tell the story."""
    screen.say(
        f"Now one transaction writes {IMPORT:,} events into {shard}, and the daemon is",
        "killed while it sends them to central:",
    )
    with databases.central.connect() as central:
        shop.import_stock(shard, IMPORT)
        sent = _wait_for_copy(central, movers.consumer(shard))
        pid = movers.kill()
        screen.command(f"kill -9 {pid}")
        _wait_until_gone(central)
        there = _imported(central, shard)
    if sent and not there:
        screen.say(
            f"It had sent {sent:,} events of that batch. central has kept none: events and",
            "position commit together, or not at all.",
        )
    elif there:
        screen.say(
            f"central had committed the batch already ({there:,} events), together with its",
            "position: whatever the shard knows of that, nothing will come twice.",
        )
    else:
        screen.say("It had not sent any of them yet.")


def _wait_for_copy(central: psycopg.Connection, consumer: str) -> int:
    """Wait until a big batch of a consumer is on its way; how many of its events have come.

    All sources of a process write through the same few connections: the one that writes for
    this consumer is the one that holds its lock.
    """
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        row = central.execute(
            "select max(tuples_processed) from pg_stat_progress_copy"
            " join pg_locks using (pid)"
            " where locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = %s",
            [lock_key("target", consumer)],
        ).fetchone()
        if row is not None and row[0] is not None and row[0] >= ENOUGH:
            return int(row[0])
    return 0


def _wait_until_gone(central: psycopg.Connection) -> None:
    def gone() -> bool:
        return not central.execute(
            "select from pg_stat_activity where application_name = %s", [JOB]
        ).fetchone()

    wait_until(gone, SECONDS, "central to notice that the mover is gone")


def _imported(central: psycopg.Connection, shard: str) -> int:
    """How many events of the big transaction central has."""
    statement = "select count(*) from {} where ev_type = 'stock.import' and ev_extra4 = %s"
    table = qualified(queue_table(central, TARGET_QUEUE))
    return int(value(central, sql.SQL(statement).format(table), shard))
