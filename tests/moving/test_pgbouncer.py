"""Through PgBouncer in transaction mode, where each transaction may meet another server process."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from testbed.database import Database, value
from testbed.processes import Process, free_port, wait_until
from testbed.programs import find_program, hand_over, run_as
from testbed.reaper import private_directory, remove_directory
from tests.moving.pair import Pair


@pytest.fixture
def bouncer(pair: Pair) -> Iterator[dict[str, str]]:
    """A PgBouncer before both databases; how to reach them, as settings of the mover."""
    directory = private_directory()
    hand_over(directory)
    port = free_port()
    server = Process(
        [find_program("pgbouncer"), write_config(directory, port, pair)],
        directory,
        run_as=run_as(),
    )
    databases = {
        key: Database(name, f"host=127.0.0.1 port={port} user=postgres")
        for key, name in (("src_db", "there"), ("dst_db", "here"))
    }
    with server:
        wait_until(lambda: all(map(reachable, databases.values())), 30, "PgBouncer")
        for database in databases.values():
            mix(database)
        yield {key: database.conninfo() for key, database in databases.items()}
    remove_directory(directory)


def write_config(directory: Path, port: int, pair: Pair) -> Path:
    """Its config file: several server connections for each database, used in turn."""
    lines = [
        "[databases]",
        f"there = {pair.source_db.conninfo()}",
        f"here = {pair.target_db.conninfo()}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        "pool_mode = transaction",
        "server_round_robin = 1",
        "default_pool_size = 5",
    ]
    path = directory / "pgbouncer.ini"
    path.write_text("\n".join([*lines, ""]))
    hand_over(path)
    return path


def reachable(database: Database) -> bool:
    """Whether the way to a database is open."""
    try:
        database.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def mix(database: Database) -> None:
    """Make it open several server connections; see that it uses them in turn."""
    with ExitStack() as stack:
        for _ in range(3):
            conn = stack.enter_context(database.connect())
            stack.enter_context(conn.transaction())
            conn.execute("select 1")
    with database.connect() as conn:
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
