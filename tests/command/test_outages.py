"""A server goes away and comes back; an error repeats; connections age."""

import contextlib
import time
from collections.abc import Iterator

import pytest
from psycopg import sql

from testbed.cluster import Cluster
from testbed.database import value
from testbed.log_lines import news
from testbed.pgbouncer import reconnect
from testbed.processes import wait_until
from tests.command.world import PATIENCE, World


def errors(log: str) -> list[str]:
    return [line for line in log.splitlines() if " ERROR " in line]


@pytest.mark.parametrize("side", ["source", "target"])
def test_one_line_when_a_server_goes_and_one_when_it_is_back(
    world: World, request: pytest.FixtureRequest, side: str
) -> None:
    cluster: Cluster = request.getfixturevalue(f"{side}_cluster")
    process = world.start(exception_sleep=0.2)
    world.produce(2)
    world.wait_for_events(2)
    with world.stalled():
        # A batch is on its way, so that both sides are missed at once.
        world.produce(3, first=3)
        world.wait_for_stall()
        cluster.stop()
    count = 5
    if side == "target":
        # The stop may let the batch through, and a pooler hides the loss from a mover that is idle.
        world.produce(1, first=6)
        count = 6
    world.logged(f"ERROR {side} database not available: ")
    time.sleep(1)
    cluster.start()
    world.reconnect()
    world.wait_for_events(count)
    world.logged("INFO recovered: working again")
    assert world.identical()
    assert process.stop() == 0
    told = errors(world.log)
    assert world.log.count("recovered") == 1
    assert "Traceback" not in world.log
    assert len(told) == 1, told


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_server_that_is_no_primary_any_more(world: World, side: str) -> None:
    # given events that wait, and a side on which nothing may be written any more
    conn = getattr(world, side)
    world.register()
    world.produce(2)
    name = sql.Identifier(conn.info.dbname)
    setting = sql.SQL("alter database {} set default_transaction_read_only = {}")
    pooler = (world.source_db if side == "source" else world.target_db).pooler
    conn.execute(setting.format(name, sql.SQL("on")))
    reconnect(pooler)
    process = world.launch(world.write(exception_sleep=0.2))
    # then that is told in one line
    world.logged(f"ERROR {side} database is read-only; remedy: connect to the primary; retrying")
    # and it goes on when it may
    conn.execute(setting.format(name, sql.SQL("off")))
    reconnect(pooler)
    world.wait_for_events(2)
    assert process.stop() == 0
    assert "Traceback" not in world.log


def test_a_server_that_is_away_at_the_start_is_waited_for(
    world: World, source_cluster: Cluster
) -> None:
    world.register()
    world.produce(3)
    source_cluster.stop()
    process = world.launch(world.write(exception_sleep=0.2))
    world.logged("ERROR source database not available: ")
    source_cluster.start()
    world.wait_for_events(3)
    world.logged("INFO recovered: working again")
    assert process.stop() == 0
    assert "Traceback" not in world.log


def test_a_repeated_error_is_told_once(world: World) -> None:
    process = world.launch("-v", world.write(src_db="host=127.0.0.1 port=1", exception_sleep=0.1))
    world.logged(" DEBUG still failing: source database not available: ", 5)
    assert len(errors(world.log)) == 1
    assert "retrying at intervals of up to 0.1 s" in errors(world.log)[0]
    assert process.stop() == 0


def test_an_outage_that_lasts_does_not_read_like_an_idle_mover(world: World) -> None:
    settings = {"exception_sleep": 0.1, "keepalive_stats": 0.3}
    process = world.launch(world.write(src_db="host=127.0.0.1 port=1", **settings))
    world.logged(" INFO {failing: ", 2)
    assert "{idle: " not in world.log
    assert process.stop() == 0


def test_without_looping_an_outage_ends_it(world: World) -> None:
    result = world.drain(dst_db="host=127.0.0.1 port=1")
    assert result.returncode == 1
    assert len(errors(result.stderr)) == len(news(result.stderr)) == 1
    assert "target database not available: " in result.stderr


@contextlib.contextmanager
def breaking(world: World) -> Iterator[None]:
    """Make the target fail in a way that the program does not know, as long as the block lasts."""
    definition = "select pg_get_functiondef('pgq_ext.get_last_tick(text)'::regprocedure)"
    original = value(world.target, definition)
    world.target.execute(
        "create or replace function pgq_ext.get_last_tick(a_consumer text) returns bigint"
        " language plpgsql as $$ begin return 1 / 0; end $$"
    )
    yield
    world.target.execute(original)


@pytest.mark.parametrize(
    ("quiet", "traceback"),
    [
        (None, True),
        ("KeyError, ValueError", True),
        ("StatementError", False),
        ("DivisionByZero", False),
        ("KeyError, DatabaseError", False),
        ("ALL", False),
    ],
)
def test_an_unknown_error_has_a_traceback_unless_it_is_quiet(
    world: World, quiet: str | None, *, traceback: bool
) -> None:
    with breaking(world):
        world.register()
        world.produce(2)
        process = world.launch(world.write(exception_sleep=0.1, exception_quiet=quiet))
        world.logged(f"Job {world.job} crashed: ")
        world.logged("division by zero")
    world.wait_for_events(2)
    world.logged("recovered")
    assert ("Traceback" in world.log) is traceback
    assert (" WARNING Job" in world.log) is not traceback
    assert process.stop() == 0


def test_quiet_errors_are_loud_after_the_grace_period(world: World) -> None:
    with breaking(world):
        world.register()
        world.produce(2)
        process = world.launch(
            world.write(exception_sleep=0.1, exception_quiet="ALL", exception_grace=0)
        )
        world.logged("Traceback")
    world.wait_for_events(2)
    assert process.stop() == 0


@pytest.mark.parametrize(("lifetime", "replaced"), [("0.2", True), ("0", False), ("1200", False)])
def test_connections_age(world: World, lifetime: str, *, replaced: bool) -> None:
    process = world.start(connection_lifetime=lifetime)
    seen: set[int] = set()
    batches = 0

    def enough() -> bool:
        nonlocal batches
        batches += 1
        world.produce(1)
        world.wait_for_events(batches)
        seen.update(world.backends(world.source))
        return len(seen) >= 3 or (not replaced and batches == 10)

    wait_until(enough, PATIENCE, "new connections", interval=0.1)
    assert (len(seen) >= 3) is replaced
    assert process.stop() == 0
