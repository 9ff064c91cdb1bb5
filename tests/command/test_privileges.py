"""A role without rights is told which to grant, in words that can be run as they are."""

import itertools
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from testbed.log_lines import news
from tests.command.world import World

AT_MOST = 3
"""Grants until it works."""

Newcomer = Callable[[psycopg.Connection], str]
_numbers = itertools.count(1)


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    """Create a login role that may do nothing; its name needs quotes."""
    made: list[tuple[psycopg.Connection, sql.Identifier]] = []

    def create(conn: psycopg.Connection) -> str:
        # Behind a pooler a role that is created anew gets the sessions of the one before.
        name = f"New Comer-{next(_numbers)}"
        conn.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        made.append((conn, sql.Identifier(name)))
        return name

    yield create
    for conn, role in made:
        conn.execute(sql.SQL("drop role {}").format(role))


def grant_until_it_works(world: World, conn: psycopg.Connection, **changes: object) -> list[str]:
    """Run it, and whatever GRANT it asks for, until it works; the roles that were granted."""
    granted: list[str] = []
    while (result := world.drain(**changes)).returncode != 0:
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        assert len(news(result.stderr)) == 1, result.stderr
        remedy = re.search(r'remedy: (GRANT (\w+) TO "New Comer-\d+")', result.stderr)
        assert remedy, result.stderr
        assert remedy[2] not in granted
        assert len(granted) < AT_MOST
        conn.execute(remedy[1].encode())
        granted.append(remedy[2])
    return granted


@pytest.mark.parametrize("registered", [True, False], ids=["registered", "new consumer"])
def test_on_the_source(world: World, newcomer: Newcomer, *, registered: bool) -> None:
    role = newcomer(world.source)
    if registered:
        world.register()
    src_db = world.source_db.conninfo(user=role)
    assert grant_until_it_works(world, world.source, src_db=src_db) == ["pgq_reader"]
    world.produce(3)
    world.drain(src_db=src_db).check()
    assert world.identical()


def test_on_the_target(world: World, newcomer: Newcomer) -> None:
    role = newcomer(world.target)
    world.register()
    world.produce(3)
    dst_db = world.target_db.conninfo(user=role)
    granted = grant_until_it_works(world, world.target, dst_db=dst_db)
    assert set(granted) <= {"pgq_admin", "pgq_writer"}
    assert world.identical()


def test_the_documented_roles_suffice(world: World, newcomer: Newcomer) -> None:
    reader, writer = newcomer(world.source), newcomer(world.target)
    world.source.execute(f'grant pgq_reader to "{reader}"'.encode())
    world.target.execute(f'grant pgq_admin, pgq_writer to "{writer}"'.encode())
    roles = {
        "src_db": world.source_db.conninfo(user=reader),
        "dst_db": world.target_db.conninfo(user=writer),
    }
    world.drain(**roles).check()
    world.produce(3)
    world.drain(**roles).check()
    assert world.identical()
    assert world.finished()


def test_a_writer_suffices_with_insert_event(world: World, newcomer: Newcomer) -> None:
    role = newcomer(world.target)
    world.register()
    world.produce(3)
    dst_db = world.target_db.conninfo(user=role)
    granted = grant_until_it_works(world, world.target, dst_db=dst_db, write_with="insert_event")
    assert granted == ["pgq_writer"]
    assert world.arrived() == 3


@pytest.mark.parametrize("action", ["--register", "--unregister", "--rewind", "--reset"])
def test_actions(world: World, newcomer: Newcomer, action: str) -> None:
    """Without rights an action is refused in one line, and changes nothing."""
    world.target.execute("select pgq_ext.set_last_tick(%s, 5)", [world.job])
    result = world.run(
        action,
        src_db=world.source_db.conninfo(user=newcomer(world.source)),
        dst_db=world.target_db.conninfo(user=newcomer(world.target)),
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert re.search(
        r" ERROR (source|target) database: .*; remedy: GRANT pgq_\w+ TO ", result.stderr
    )
    assert world.position() == 5
