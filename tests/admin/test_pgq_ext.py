"""The functions of sql/pgq_ext.sql: what a target remembers."""

import threading
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from testbed.database import Database, value
from tests.admin.locks import wait_until_blocked

SIGNATURES = {
    "get_last_tick(a_consumer text) bigint",
    "get_last_tick(a_consumer text, a_subconsumer text) bigint",
    "set_last_tick(a_consumer text, a_tick_id bigint) integer",
    "set_last_tick(a_consumer text, a_subconsumer text, a_tick_id bigint) integer",
    "is_batch_done(a_consumer text, a_batch_id bigint) boolean",
    "is_batch_done(a_consumer text, a_subconsumer text, a_batch_id bigint) boolean",
    "set_batch_done(a_consumer text, a_batch_id bigint) boolean",
    "set_batch_done(a_consumer text, a_subconsumer text, a_batch_id bigint) boolean",
    "is_event_done(a_consumer text, a_batch_id bigint, a_event_id bigint) boolean",
    "is_event_done(a_consumer text, a_subconsumer text, a_batch_id bigint, a_event_id bigint)"
    " boolean",
    "set_event_done(a_consumer text, a_batch_id bigint, a_event_id bigint) boolean",
    "set_event_done(a_consumer text, a_subconsumer text, a_batch_id bigint, a_event_id bigint)"
    " boolean",
    "upgrade_schema() integer",
    "version() text",
}

COLUMNS = {
    "completed_tick": "consumer_id text, subconsumer_id text, last_tick_id bigint",
    "completed_batch": "consumer_id text, subconsumer_id text, last_batch_id bigint",
    "completed_event": "consumer_id text, subconsumer_id text, batch_id bigint, event_id bigint",
    "partial_batch": "consumer_id text, subconsumer_id text, cur_batch_id bigint",
}


def call(conn: psycopg.Connection, function: str, *arguments: object) -> object:
    """Call a function of pgq_ext; its value. A number is given as bigint."""
    statement = sql.SQL("select {}({})").format(
        sql.Identifier("pgq_ext", function), sql.SQL(", ").join(map(sql.Literal, arguments))
    )
    return value(conn, statement)


@pytest.fixture
def role(target: psycopg.Connection) -> Iterator[str]:
    """A role without any privilege, which can log in."""
    name = "nobody_in_particular"
    target.execute("create role nobody_in_particular login")
    yield name
    target.execute("drop owned by nobody_in_particular")
    target.execute("drop role nobody_in_particular")


def test_interface_is_the_one_of_upstream(target: psycopg.Connection) -> None:
    found = target.execute(
        """
        select format('%s(%s) %s', proname, pg_get_function_arguments(oid),
                      prorettype::regtype)
          from pg_proc where pronamespace = 'pgq_ext'::regnamespace
        """
    )
    assert {row[0] for row in found} == SIGNATURES


def test_tables_are_the_ones_of_upstream(target: psycopg.Connection) -> None:
    found = target.execute(
        """
        select attrelid::regclass::text,
               string_agg(attname || ' ' || atttypid::regtype, ', ' order by attnum),
               bool_and(attnotnull)
          from pg_attribute join pg_class c on c.oid = attrelid
         where relnamespace = 'pgq_ext'::regnamespace and relkind = 'r' and attnum > 0
         group by 1
        """
    ).fetchall()
    assert {table.removeprefix("pgq_ext."): columns for table, columns, _ in found} == COLUMNS
    assert all(not_null for _, _, not_null in found)


def test_position_is_kept_for_each_consumer_and_subconsumer(target: psycopg.Connection) -> None:
    assert call(target, "get_last_tick", "c") is None
    assert call(target, "set_last_tick", "c", 5) == 1
    assert call(target, "set_last_tick", "c", "sub", 7) == 1
    assert call(target, "set_last_tick", "other", 9) == 1

    assert call(target, "get_last_tick", "c") == 5
    assert call(target, "get_last_tick", "c", "") == 5
    assert call(target, "get_last_tick", "c", "sub") == 7
    assert call(target, "set_last_tick", "c", 2**62) == 1
    assert call(target, "get_last_tick", "c") == 2**62


def test_null_forgets_one_position_only(target: psycopg.Connection) -> None:
    call(target, "set_last_tick", "c", 5)
    call(target, "set_last_tick", "c", "sub", 7)

    assert call(target, "set_last_tick", "c", None) == 1

    assert call(target, "get_last_tick", "c") is None
    assert call(target, "get_last_tick", "c", "sub") == 7
    assert call(target, "set_last_tick", "c", None) == 1


@pytest.mark.parametrize("sub", [(), ("sub",)])
def test_batch_is_done_once(target: psycopg.Connection, sub: tuple[str, ...]) -> None:
    assert call(target, "is_batch_done", "c", *sub, 1) is False
    assert call(target, "set_batch_done", "c", *sub, 1) is True
    assert call(target, "set_batch_done", "c", *sub, 1) is False
    assert call(target, "is_batch_done", "c", *sub, 1) is True
    assert call(target, "is_batch_done", "c", "another", 1) is False

    assert call(target, "set_batch_done", "c", *sub, 2) is True
    assert call(target, "is_batch_done", "c", *sub, 1) is False


@pytest.mark.parametrize("batch", [0, -1, None])
def test_what_is_no_batch_is_always_new_and_not_remembered(
    target: psycopg.Connection, batch: int | None
) -> None:
    call(target, "set_batch_done", "c", 7)

    assert call(target, "set_batch_done", "c", batch) is True
    assert call(target, "set_batch_done", "c", batch) is True

    assert call(target, "is_batch_done", "c", 7) is True


INSERTS: list[LiteralString] = [
    "insert into pgq_ext.completed_tick (consumer_id, last_tick_id) values ('c', 5)",
    "insert into pgq_ext.completed_batch (consumer_id, last_batch_id) values ('c', 5)",
    "insert into pgq_ext.partial_batch (consumer_id, cur_batch_id) values ('c', 5)",
    "insert into pgq_ext.completed_event (consumer_id, batch_id, event_id) values ('c', 5, 6)",
]


def inserted(conn: psycopg.Connection) -> list[object]:
    """What the functions say after a script has filled the tables by hand."""
    for statement in INSERTS:
        conn.execute(statement)
    return [
        call(conn, "get_last_tick", "c"),
        call(conn, "is_batch_done", "c", 5),
        call(conn, "is_event_done", "c", 5, 6),
    ]


def test_inserts_without_a_subconsumer_work_as_upstream(target: psycopg.Connection) -> None:
    assert inserted(target) == [5, True, True]
    assert call(target, "upgrade_schema") == 0


def test_upgrade_schema_brings_tables_of_an_earlier_version_up_to_date(
    target: psycopg.Connection,
) -> None:
    for table in COLUMNS:
        target.execute(
            sql.SQL("alter table pgq_ext.{} alter subconsumer_id drop default").format(
                sql.Identifier(table)
            )
        )

    assert call(target, "upgrade_schema") == 4

    assert inserted(target) == [5, True, True]
    assert call(target, "upgrade_schema") == 0


@pytest.mark.parametrize("sub", [(), ("sub",)])
def test_event_is_done_once(target: psycopg.Connection, sub: tuple[str, ...]) -> None:
    assert call(target, "is_event_done", "c", *sub, 1, 10) is False
    assert call(target, "set_event_done", "c", *sub, 1, 10) is True
    assert call(target, "set_event_done", "c", *sub, 1, 11) is True
    assert call(target, "set_event_done", "c", *sub, 1, 10) is False
    assert call(target, "is_event_done", "c", *sub, 1, 10) is True
    assert call(target, "is_event_done", "c", *sub, 1, 12) is False
    assert call(target, "is_event_done", "c", *sub, 2, 10) is False


def test_new_batch_forgets_the_events_of_that_consumer_only(target: psycopg.Connection) -> None:
    for consumer in ("c", "other"):
        call(target, "set_event_done", consumer, 1, 10)
        call(target, "set_event_done", consumer, 1, 11)

    assert call(target, "set_event_done", "c", 2, 20) is True

    rows = target.execute("select * from pgq_ext.completed_event order by 1, 3, 4").fetchall()
    assert rows == [("c", "", 2, 20), ("other", "", 1, 10), ("other", "", 1, 11)]
    rows = target.execute("select * from pgq_ext.partial_batch order by 1").fetchall()
    assert rows == [("c", "", 2), ("other", "", 1)]


@pytest.mark.parametrize(
    ("function", "arguments"), [("set_batch_done", ("c", 1)), ("set_event_done", ("c", 1, 10))]
)
def test_of_two_at_once_one_is_told_that_it_was_first(
    target: psycopg.Connection,
    target_db: Database,
    function: str,
    arguments: tuple[object, ...],
) -> None:
    # given: a first one that has not committed yet
    answers: list[object] = []
    with target_db.connect() as second:
        thread = threading.Thread(target=lambda: answers.append(call(second, function, *arguments)))
        with target_db.connect() as first, first.transaction():
            assert call(first, function, *arguments) is True
            # when: a second one does the same meanwhile
            thread.start()
            wait_until_blocked(target, second)
        thread.join(10)
    # then
    assert answers == [False]


def test_lock_and_question_in_one_statement_see_what_was_committed_meanwhile(
    target: psycopg.Connection, target_db: Database
) -> None:
    # given: somebody who has the lock, and sets the position
    answers: list[object] = []

    def ask() -> None:
        found = second.execute("select pg_advisory_lock(1), pgq_ext.get_last_tick('c')").fetchone()
        answers.append(found and found[1])

    with target_db.connect() as second, target_db.connect() as first:
        first.execute("select pg_advisory_lock(1)")
        thread = threading.Thread(target=ask)
        thread.start()
        wait_until_blocked(target, second)
        # when
        call(first, "set_last_tick", "c", 5)
        first.execute("select pg_advisory_unlock(1)")
        thread.join(10)
    # then
    assert answers == [5]


def test_public_may_ask_for_the_version_only(
    target: psycopg.Connection, target_db: Database, role: str
) -> None:
    with target_db.connect(user=role) as conn:
        assert call(conn, "version") == "3.1"
        allowed = conn.execute(
            """
            select oid::regprocedure::text from pg_proc
             where pronamespace = 'pgq_ext'::regnamespace and has_function_privilege(oid, 'execute')
            """
        ).fetchall()
        assert allowed == [("pgq_ext.version()",)]
        for table in COLUMNS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(f"select from pgq_ext.{table}".encode())


def test_writer_needs_no_right_on_the_tables(
    target: psycopg.Connection, target_db: Database, role: str
) -> None:
    target.execute("grant pgq_writer to nobody_in_particular")
    with target_db.connect(user=role) as conn:
        assert call(conn, "set_last_tick", "c", 5) == 1
        assert call(conn, "get_last_tick", "c") == 5
        assert call(conn, "set_batch_done", "c", 1) is True
        assert call(conn, "set_event_done", "c", 1, 2) is True
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("delete from pgq_ext.completed_tick")


def test_every_function_with_its_owners_rights_has_a_pinned_search_path(
    target: psycopg.Connection,
) -> None:
    found = target.execute(
        """
        select proname, proconfig from pg_proc
         where pronamespace = 'pgq_ext'::regnamespace
           and (prosecdef or proname <> 'version')
        """
    ).fetchall()
    assert len(found) == len(SIGNATURES) - 1
    assert {tuple(config) for _, config in found} == {("search_path=pg_catalog, pg_temp",)}


def test_callers_search_path_changes_nothing(
    target: psycopg.Connection, target_db: Database, role: str
) -> None:
    # given: a writer with an operator of its own in front of everything
    target.execute("grant pgq_writer to nobody_in_particular")
    target.execute("create schema evil authorization nobody_in_particular")
    with target_db.connect(user=role) as conn:
        conn.execute(
            """
            create function evil.never(text, text) returns boolean language sql as 'select false';
            create operator evil.= (leftarg = text, rightarg = text, function = evil.never);
            set search_path = evil, pg_catalog
            """
        )
        # when
        call(conn, "set_last_tick", "c", 5)
        # then
        assert call(conn, "get_last_tick", "c") == 5
