"""What roles need, no more; names that are text, never SQL."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from queue_mover.errors import NotReadyError
from testbed.cluster import Cluster
from testbed.database import value
from testbed.queues import create_queue, event_tables
from tests.moving.pair import TICKS_AT_WILL, Pair

_numbers = itertools.count(1)

Roles = Callable[..., str]


@pytest.fixture
def role(pair: Pair, source_cluster: Cluster, target_cluster: Cluster) -> Iterator[Roles]:
    """Make a login role on a side, with these roles granted, and nothing else."""
    made: list[tuple[psycopg.Connection, sql.Identifier]] = []

    def make(side: str, *granted: str) -> str:
        name = f"role{next(_numbers)}"
        conn = pair.source if side == "source" else pair.target
        conn.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        for each in granted:
            conn.execute(
                sql.SQL("grant {} to {}").format(sql.Identifier(each), sql.Identifier(name))
            )
        made.append((conn, sql.Identifier(name)))
        return name

    yield make
    for conn, name in made:
        conn.execute(sql.SQL("drop role {}").format(name))


def as_roles(pair: Pair, source: str, target: str) -> dict[str, str]:
    """Settings that connect as these."""
    return {
        "src_db": pair.source_db.conninfo(user=source),
        "dst_db": pair.target_db.conninfo(user=target),
    }


def test_reader_and_admin_are_enough(pair: Pair, role: Roles) -> None:
    """GRANT pgq_reader TO source_role; GRANT pgq_admin TO target_role; nothing more."""
    roles = as_roles(pair, role("source", "pgq_reader"), role("target", "pgq_admin"))
    pair.command("--unregister").check()
    # for a first start, for batches, and for every switch
    pair.consumer = "with_few_rights"
    pair.command(loop_delay=0, **roles).check()
    pair.produce(20, label="few rights")
    pair.command(loop_delay=0, **roles).check()
    for switch in ("--register", "--rewind", "--accept-source", "--reset", "--unregister"):
        result = pair.command(switch, **roles).check()
        assert "ERROR" not in result.stderr
    assert pair.target_events.count() == 30
    assert pair.subscription() is None
    assert pair.position is None


def test_quarantine_needs_no_more(pair: Pair, role: Roles) -> None:
    """Its table is written by a function with its owner's rights."""
    with pair.target_db.connect(user=role("target", "pgq_writer")) as conn:
        conn.execute(
            "select queue_mover.quarantine_event('c', 's', 'q', 1, now(),"
            " array['a'::bytea, null, null, null, null, null], 'UTF8', 'why')"
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("delete from queue_mover.quarantine")
    assert value(pair.target, "select count(*) from queue_mover.quarantine") == 1


@pytest.mark.parametrize(
    ("source", "target", "remedy"),
    [
        ((), ("pgq_admin",), "GRANT pgq_reader TO"),
        (("pgq_reader",), (), "GRANT"),
        (("pgq_reader",), ("pgq_reader",), "GRANT pgq_admin TO"),
        (("pgq_writer",), ("pgq_admin",), "GRANT pgq_reader TO"),
    ],
)
def test_too_few_rights_are_named(
    pair: Pair, role: Roles, source: tuple[str, ...], target: tuple[str, ...], remedy: str
) -> None:
    roles = as_roles(pair, role("source", *source), role("target", *target))
    result = pair.command(loop_delay=0.05, **roles)
    assert result.returncode == 1
    assert remedy in result.stderr
    assert "Traceback" not in result.stderr


NAMES = [
    "O'Reilly's \"queue\"",
    "a.b.c",
    "with two  spaces",
    "ünï✓ 漢字",
    "x" * 60,
    "漢" * 20,
    "'); drop table public.witness; --",
    "%s %(queue)s %%",
    "$1 \\ \\' {} {0}",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text(pair: Pair, name: str) -> None:
    """The original pastes some of them into SQL."""
    for conn in (pair.source, pair.target):
        conn.execute("create table public.witness ()")
        create_queue(conn, name, **TICKS_AT_WILL)
    pair.queue = pair.target_queue = pair.consumer = name
    pair.source.execute(
        "select nextval(queue_event_seq) from pgq.queue where queue_name = %s", [name]
    )
    names = dict.fromkeys(("queue_name", "dst_queue_name", "consumer_name"), escaped(name))
    pair.command(loop_delay=0, **names).check()
    pair.produce(20)
    pair.command(loop_delay=0, **names).check()
    for switch in ("--register", "--rewind", "--accept-source"):
        pair.command(switch, **names).check()
    pair.assert_identical()
    assert pair.target_events.count() == 20
    pair.command("--unregister", **names).check()
    assert pair.subscription() is None
    for conn in (pair.source, pair.target):
        conn.execute("drop table public.witness")


def escaped(text: str) -> str:
    """As an ini file wants it."""
    return text.replace("%", "%%")


@pytest.mark.parametrize("name", NAMES)
def test_tables_of_a_filter_are_text(pair: Pair, name: str) -> None:
    table = name if "." in name else f"public.{name}"
    pair.source.execute("create table public.witness ()")
    for extra in (table, "public.another"):
        pair.source.execute(
            "select pgq.insert_event(%s, 't', 'd', %s, null, null, null)", [pair.queue, extra]
        )
    pair.tick()
    pair.command(loop_delay=0, table_filter=escaped(name)).check()
    arrived = [event.extra1 for event in pair.target_events.read() if event.data == "d"]
    assert arrived == [table]
    pair.source.execute("drop table public.witness")


@pytest.mark.parametrize("schema", ["pgq_ext", "queue_mover"])
def test_our_schemas_give_nothing_away(target: psycopg.Connection, schema: str) -> None:
    """No function with its owner's rights can be led astray; PUBLIC may do nothing of weight."""
    functions = target.execute(
        """
        select p.oid::regprocedure::text, p.prosecdef, p.proconfig,
               has_function_privilege('public', p.oid, 'execute')
          from pg_proc p where p.pronamespace = %s::regnamespace
        """,
        [schema],
    ).fetchall()
    assert functions
    for name, definer, config, public in functions:
        assert not definer or "search_path=pg_catalog, pg_temp" in config, name
        assert not public or name.endswith(".version()"), name
    rights = "select, insert, update, delete, truncate, references, trigger"
    open_tables = target.execute(
        "select oid::regclass::text from pg_class where relnamespace = %s::regnamespace"
        " and relkind in ('r', 'v', 'p') and has_table_privilege('public', oid, %s)",
        [schema, rights],
    ).fetchall()
    assert open_tables == []
    assert not value(target, "select has_schema_privilege('public', %s, 'create')", schema)


@pytest.mark.parametrize("insert", [False, True])
def test_row_level_security_hides_no_event(pair: Pair, role: Roles, insert: bool) -> None:
    """Enabled on all tables by a script, as some hosts advise, it shows the role no rows at all."""
    name = role("source", "pgq_reader")
    server = make_conninfo(pair.source_db.server, user=name)
    pair.source_db = replace(pair.source_db, server=server, pooler="")
    # given a mover that has checked both sides
    mover = pair.mover(insert=insert)
    mover.move_batch()
    (table, *_) = event_tables(pair.source, pair.queue)
    pair.source.execute(sql.SQL("alter table {} enable row level security").format(table))
    pair.produce(5, label="hidden")
    position = pair.position
    # when its role may see no events, then these do not count as moved
    with pytest.raises(NotReadyError, match=f'ALTER ROLE "{name}" BYPASSRLS'):
        mover.move_batch()
    assert (pair.position, pair.target_events.count()) == (position, 10)
    # and it goes on when it may
    pair.source.execute(sql.SQL("alter table {} disable row level security").format(table))
    assert [outcome.count for outcome in pair.move(mover)] == [5]


def test_row_level_security_of_the_target(pair: Pair, role: Roles) -> None:
    """PostgreSQL refuses COPY then."""
    name = role("target", "pgq_admin")
    server = make_conninfo(pair.target_db.server, user=name)
    pair.target_db = replace(pair.target_db, server=server, pooler="")
    for table in event_tables(pair.target, pair.target_queue):
        pair.target.execute(sql.SQL("alter table {} enable row level security").format(table))
    with pytest.raises(NotReadyError, match=f'COPY to role "{name}"; remedy: ALTER ROLE'):
        pair.mover().prepare()
