"""A partner that holds the lock and is no more, or frozen.

The original sets no timeouts: a server waits two hours for a client whose host has died, and
another mover knows nothing of it: it applies the batch too.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from queue_mover.copying import copy_reader
from queue_mover.errors import UnavailableError
from queue_mover.postgres.database import DEFAULTS
from queue_mover.postgres.database import Database as Side
from testbed.database import value
from testbed.processes import wait_until
from testbed.queues import queue_table
from tests.moving.holding import hold_copy, hold_table, stop_copy_at, wait_until_blocked
from tests.moving.pair import Pair

TCP = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")


def parameters(text: str) -> dict[str, str]:
    """What libpq was told by a connection that a mover would make."""
    with Side("source", text, "test").session() as conn:
        return conn.info.get_parameters()


def test_connections_notice_a_dead_server(pair: Pair) -> None:
    told = parameters(pair.source_db.conninfo())
    assert {key: told[key] for key in DEFAULTS} == DEFAULTS
    assert {"connect_timeout", *TCP} == set(DEFAULTS)


def test_a_connect_string_has_the_last_word(pair: Pair) -> None:
    own = {"connect_timeout": "3", "keepalives_idle": "7", "tcp_user_timeout": "9000"}
    told = parameters(pair.source_db.conninfo(**own))
    assert {key: told[key] for key in own} == own
    assert told["keepalives_count"] == DEFAULTS["keepalives_count"]


GUARDS = {
    "idle_in_transaction_session_timeout": "5min",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


def test_the_target_notices_a_dead_mover(pair: Pair) -> None:
    """Seen from inside the transaction that holds the lock."""
    pair.target.execute("create table public.seen (name text, setting text)")
    names = ", ".join(f"'{name}'" for name in GUARDS)
    pair.target.execute(
        "create function public.look() returns trigger language plpgsql as $$ begin"
        " insert into public.seen select name, current_setting(name)"
        f" from unnest(array[{names}]) name; return new; end $$;"
        "create trigger look before update on pgq_ext.completed_tick for each row"
        " execute function public.look()".encode()
    )
    pair.produce(1, label="watched")
    pair.move()
    assert dict(pair.target.execute("select name, setting from public.seen").fetchall()) == GUARDS


def test_a_frozen_partner_is_named_and_waited_for(pair: Pair) -> None:
    # given a partner that is frozen in the middle of a batch, with the lock
    stop_copy_at(pair, "here")
    with hold_copy(pair) as gate:
        frozen = pair.start("frozen", job_name="frozen")
        pair.source.execute("select pgq.insert_event(%s, 't', 'here')", [pair.queue])
        pair.tick()
        wait_until_blocked(pair.target, "frozen")
        frozen.send(signal.SIGSTOP)
        gate.execute("select pg_advisory_unlock_all()")
        # when another one comes, then it says who has the lock, and how to find it
        with pair.start("other", job_name="other") as other:
            other.wait_for_output("standing by: the consumer's lock is held by pid ")
            line = next(line for line in other.stderr.splitlines() if "standing by" in line)
            holder = value(
                pair.target,
                "select pid from pg_stat_activity where application_name = 'frozen'"
                " and datname = current_database()",
            )
            assert f"pid {holder} (frozen) from 127.0.0.1" in line
            assert "transaction open since" in line
            assert other.stderr.count("standing by") == 1
            # and when an operator ends that, it goes on
            pair.target.execute("select pg_terminate_backend(%s)", [holder])
            pair.wait_for(11)
            frozen.send(signal.SIGCONT)
            wait_until(lambda: pair.subscription() == (pair.position, None, None), 30, "the end")
            assert other.stop() == 0
        assert frozen.stop() == 0
        assert "Lost position" not in frozen.stderr
    pair.assert_identical()


def test_idle_in_a_transaction_it_is_ended_by_the_server(pair: Pair) -> None:
    """The guard itself, with less patience than five minutes."""
    with pair.target_db.connect() as conn:
        conn.execute("begin")
        conn.execute("select set_config('idle_in_transaction_session_timeout', '50ms', true)")
        conn.execute("select pg_advisory_xact_lock(1)")
        wait_until(lambda: is_free(pair.target), 30, "the lock")
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            conn.execute("select 1")


def is_free(conn: psycopg.Connection) -> bool:
    """Whether the lock can be had."""
    return bool(value(conn, "select pg_try_advisory_xact_lock(1)"))


def test_the_defaults_are_parameters_of_libpq() -> None:
    text = " ".join(f"{key}={value}" for key, value in DEFAULTS.items())
    assert conninfo_to_dict(text) == DEFAULTS


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A server process that does nothing for a while, and keeps its connection."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def sending_backend(pair: Pair) -> int:
    """The source's process that has more for a mover than fits on the way; 0: none."""
    pid: int = value(
        pair.source,
        "select coalesce(max(pid), 0) from pg_stat_activity where datname = current_database()"
        " and application_name = 'in_process' and wait_event = 'ClientWrite'",
    )
    return pid


def test_a_source_that_freezes_in_the_midst_of_a_batch_is_given_up(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a source in the midst of a batch that the target does not take yet
    monkeypatch.setattr(copy_reader, "SILENCE_TIMEOUT", 0.5)
    before = pair.target_events.count()
    pair.produce(100_000)
    mover = pair.mover()
    table = queue_table(pair.target, pair.target_queue) + "_0"
    with ThreadPoolExecutor(1) as thread:
        with hold_table(pair.target_db, table):
            moving = thread.submit(mover.move_batch)
            pid = wait_until(lambda: sending_backend(pair), 60, "a source that waits")
            stopped = contextlib.ExitStack()
            stopped.enter_context(frozen(pid))
        # when it freezes, and the target takes what was on the way
        with stopped, pytest.raises(UnavailableError, match=r"silent for 0\.5 s in mid-batch"):
            moving.result(60)
        # then nothing of the batch is there, and nobody waits for it
        assert pair.target_events.count() == before
        assert value(pair.target, "select count(*) from pg_locks where locktype = 'advisory'") == 0
    # and all of it once the source is back
    pair.move()
    pair.assert_identical()
