"""Through PgBouncer in transaction mode, where each transaction may meet another server process."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from testbed.database import Database, value
from testbed.pgbouncer import PgBouncer
from tests.moving.pair import Pair


@pytest.fixture
def bouncer(pair: Pair) -> Iterator[dict[str, str]]:
    """A PgBouncer before both databases; how to reach them, as settings of the mover."""
    with bouncing(pair, server_round_robin=1, default_pool_size=5) as settings:
        for conninfo in settings.values():
            mix(conninfo)
        yield settings


@contextmanager
def bouncing(pair: Pair, **settings: object) -> Iterator[dict[str, str]]:
    """A PgBouncer in transaction mode, with further settings; the ways through it."""
    with bouncer_before(pair, **settings) as server:
        yield ways(pair, server)


def bouncer_before(pair: Pair, **settings: object) -> PgBouncer:
    """A PgBouncer before both databases, in transaction mode, with further settings."""
    databases = {
        "there": pair.source_db.direct_conninfo(),
        "here": pair.target_db.direct_conninfo(),
    }
    return PgBouncer(databases, **settings)


def ways(pair: Pair, server: PgBouncer) -> dict[str, str]:
    """How a mover reaches both databases through it, as its settings."""
    same = pair.source_db == pair.target_db
    return {
        "src_db": make_conninfo(server.server, dbname="there"),
        "dst_db": make_conninfo(server.server, dbname="there" if same else "here"),
    }


def mix(conninfo: str) -> None:
    """Make it open several server connections; see that it uses them in turn."""
    with ExitStack() as stack:
        for _ in range(3):
            conn = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
            stack.enter_context(conn.transaction())
            conn.execute("select 1")
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.prepare_threshold = None
        assert len({value(conn, "select pg_backend_pid()") for _ in range(10)}) > 1


def test_batches_of_a_process(pair: Pair, bouncer: dict[str, str]) -> None:
    with pair.start(max_batch_events=0, **bouncer) as mover:
        for number in range(1, 31):
            pair.produce(100)
            if number % 10 == 0:
                pair.wait_for(100 * number)
        assert mover.stop() == 0
        assert "ERROR" not in mover.stderr
    pair.assert_identical()


def test_two_movers(pair: Pair, bouncer: dict[str, str]) -> None:
    pair.register()
    options = {"max_batch_events": 0, "loop_delay": 0.001, **bouncer}
    with pair.start("first", **options) as first, pair.start("second", **options) as second:
        for _ in range(30):
            pair.produce(100)
        pair.wait_for(3000)
        assert (first.stop(), second.stop()) == (0, 0)
        assert "Lost position" not in first.stderr + second.stderr
    pair.assert_identical()


def test_commands(pair: Pair, bouncer: dict[str, str]) -> None:
    pair.command("--register", **bouncer).check()
    pair.produce(10)
    pair.command(loop_delay=0, **bouncer).check()
    pair.command("--rewind", **bouncer).check()
    pair.produce(10)
    pair.command(loop_delay=0, **bouncer).check()
    pair.assert_identical()
    pair.command("--reset", **bouncer).check()
    pair.command("--unregister", **bouncer).check()
    assert (pair.subscription(), pair.position) == (None, None)


@pytest.mark.parametrize(("size", "moves"), [(1, False), (2, True)])
def test_one_database_needs_a_pool_of_two(
    target_db: Database, tmp_path: Path, size: int, moves: bool
) -> None:
    """A batch holds a transaction on each side."""
    with closing(Pair(target_db, target_db, tmp_path)) as pair:
        pair.register()
        pair.produce(10)
        limits = {"default_pool_size": size, "query_wait_timeout": 1}
        with bouncing(pair, **limits) as ways, pair.start(**ways) as mover:
            if moves:
                pair.wait_for(10)
            else:
                mover.wait_for_output("query_wait_timeout")
                assert pair.target_events.count() == 0


def test_options_are_let_in_when_they_are_ignored(pair: Pair) -> None:
    with bouncing(pair) as ways:
        refused = pair.command(
            "--register", **{key: f"{way} options='-c jit=off'" for key, way in ways.items()}
        )
        assert refused.returncode == 1
        message = r"unsupported startup parameter(: options| in options: jit); remedy: ignore_"
        assert re.search(message, refused.stderr)
    with bouncing(pair, ignore_startup_parameters="options") as ways:
        with_options = {key: f"{way} options='-c jit=off'" for key, way in ways.items()}
        pair.command("--register", **with_options).check()
        pair.produce(10)
        pair.command(loop_delay=0, **with_options).check()
    pair.assert_identical()


def test_an_outage_that_becomes_another_one_is_told_again(pair: Pair) -> None:
    """Given a PgBouncer that goes, and comes back in a mode that allows no transactions."""
    server = bouncer_before(pair)
    pair.register()
    with server:
        mover = pair.start(exception_sleep=0.2, **ways(pair, server))
        pair.produce(10)
        pair.wait_for(10)
        server.kill()
        pair.produce(10)
        with mover:
            mover.wait_for_output("ERROR source database not available: ")
            server.configure(pool_mode="statement")
            server.start()
            mover.wait_for_output("transaction blocks not allowed in statement pooling mode")
            server.kill()
            server.configure(pool_mode="transaction")
            server.start()
            mover.wait_for_output("INFO recovered: working again")
            assert mover.stop() == 0
