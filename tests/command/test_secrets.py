"""Passwords stay in the config file, however much is logged and whatever goes wrong."""

import signal
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from queue_mover.postgres.conninfo import password
from testbed.database import Database
from tests.command.world import World

SECRET = "hunter2secret"


def keywords(database: Database) -> str:
    return database.conninfo(password=SECRET)


def uri(database: Database) -> str:
    parts = conninfo_to_dict(database.conninfo())
    server = f"{parts['user']}:{SECRET}@{parts['host']}:{parts['port']}"
    return f"postgresql://{server}/{parts['dbname']}"


def seen_by_others(conn: psycopg.Connection) -> str:
    rows = conn.execute("select a::text from pg_stat_activity a").fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("form", [keywords, uri])
def test_nothing_shows_a_password(world: World, form: type) -> None:
    """Given everything logged, when it works, reloads and fails, then no password is seen."""
    good = {"src_db": form(world.source_db), "dst_db": form(world.target_db)}
    process = world.start("-vv", exception_sleep=0.1, **good)
    world.produce(3)
    world.wait_for_events(3)
    assert world.job in seen_by_others(world.source)
    seen = seen_by_others(world.source) + seen_by_others(world.target)
    bad_values = [
        f"{good['dst_db']} {SECRET}",
        form(Database("no_such_database", world.target_db.server)),
        form(world.target_db).replace(str(conninfo_to_dict(good["dst_db"])["port"]), "1"),
    ]
    for number, value in enumerate(bad_values, 1):
        world.write(exception_sleep=0.1, **{**good, "dst_db": value})
        process.send(signal.SIGHUP)
        world.logged(" ERROR ", number)
    assert process.stop() == 0
    assert " DEBUG " in world.log
    assert SECRET not in seen + world.log + process.stderr + process.stdout


def test_nothing_shows_a_password_at_a_start_that_fails(world: World) -> None:
    for switches in ([], ["-d"]):
        result = world.run(
            "-vv", *switches, src_db=keywords(world.source_db), dst_queue_name="nothing"
        )
        assert result.returncode == 1
        assert SECRET not in result.stdout + result.stderr + world.log


def test_a_file_that_anyone_can_read_is_warned_of(world: World) -> None:
    world.register()
    world.drain("-q", src_db=keywords(world.source_db)).check()
    config = Path(world.config)
    assert f"WARNING {config}: contains a password and is world-readable" in world.log
    assert SECRET not in world.log


@pytest.mark.parametrize("empty", ["password=", "password=''"])
def test_an_empty_password_is_none(empty: str) -> None:
    assert not password(f"host=db1 dbname=app {empty}")
    assert password("host=db1 password=x")
