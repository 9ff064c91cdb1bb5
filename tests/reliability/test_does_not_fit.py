"""A batch that cannot be written for now, or ever: one line, patience, and nothing half.

The original sleeps a fixed 20 s between tries and writes a traceback for each of them.
"""

import re

from psycopg import sql

from testbed.database import Database
from testbed.pgbouncer import reconnect
from testbed.processes import Process
from testbed.processes import mover as start_mover
from tests.moving.holding import hold_table
from tests.moving.pair import Pair

FAILING = re.compile(r"still failing|; retrying")


def assert_patient(mover: Process, text: str) -> None:
    """It has said so once, and waits longer and longer: 1 s, 2 s, 4 s."""
    mover.wait_for_output(text)
    mover.wait_for_output("still failing")
    assert mover.stderr.count("; retrying at intervals of up to 20 s") == 1
    assert len(FAILING.findall(mover.stderr)) <= 4
    assert "Traceback" not in mover.stderr


def test_a_statement_timeout_on_the_target(pair: Pair, target_db: Database) -> None:
    set_timeout(pair, target_db, "200ms")
    config = pair.ini(exception_sleep=20)
    pair.produce(20, label="waiting")
    with (
        hold_table(target_db, pair.target_events.table + "_0"),
        start_mover(config, "-v", name="mover") as mover,
    ):
        assert_patient(mover, "target database not available: canceling statement due to")
        # when it fits again
        set_timeout(pair, target_db, "0")
        mover.stop()
    pair.command(loop_delay=0).check()
    pair.assert_identical()


def set_timeout(pair: Pair, database: Database, timeout: str) -> None:
    """For whoever connects from now on."""
    pair.target.execute(
        sql.SQL("alter database {} set statement_timeout = {}").format(
            sql.Identifier(database.name), sql.Literal(timeout)
        )
    )
    reconnect(database.pooler)


def test_a_disk_that_is_full(pair: Pair) -> None:
    """The server says so in the middle of the COPY; `make torture` fills a real disk."""
    table = sql.SQL(pair.target_events.table + "_0")
    pair.target.execute(
        sql.SQL("""
            create function public.full() returns trigger language plpgsql as $$ begin
                raise exception 'could not extend file: No space left on device'
                    using errcode = 'disk_full';
            end $$;
            create trigger full_disk before insert on {} for each row
                execute function public.full()
        """).format(table)
    )
    pair.produce(20, label="waiting")
    with start_mover(pair.ini(exception_sleep=20), "-v", name="mover") as mover:
        assert_patient(mover, "No space left on device")
        assert pair.target_events.count() == 10
        pair.target.execute(sql.SQL("drop trigger full_disk on {}").format(table))
        mover.wait_for_output("recovered: working again")
        assert mover.stop() == 0
    pair.assert_identical()
