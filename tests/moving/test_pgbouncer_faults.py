"""PgBouncer itself is killed, paused, reconnected or used up, while events move through it."""

from collections.abc import Iterator

import psycopg
import pytest

from testbed.pgbouncer import MIXING, PgBouncer
from testbed.processes import wait_until
from tests.moving.holding import hold_copy, stop_copy_at, wait_until_blocked
from tests.moving.pair import Pair
from tests.moving.test_pgbouncer import bouncer_before, ways

LAST = "the last event of the batch"


@pytest.fixture
def bouncer(pair: Pair) -> Iterator[PgBouncer]:
    """A PgBouncer before both databases, whose clients change their server processes."""
    with bouncer_before(pair, **MIXING) as server:
        yield server


def test_killed_and_started_again(pair: Pair, bouncer: PgBouncer) -> None:
    stop_copy_at(pair, LAST)
    with pair.start(max_batch_events=0, **ways(pair, bouncer)) as mover:
        # given a PgBouncer that is killed in the middle of a COPY
        with hold_copy(pair):
            pair.produce(3000, last=LAST)
            wait_until_blocked(pair.target)
            bouncer.kill()
            mover.wait_for_output("database not available: ")
        bouncer.start()
        mover.wait_for_output("INFO recovered: working again")
        # and again and again, wherever the mover is then
        for number in range(1, 6):
            for _ in range(5):
                pair.produce(200)
            pair.wait_for(3001 + 1000 * (number - 1) + 1)
            bouncer.kill()
            bouncer.start()
        # then all events arrive, once, in order
        pair.wait_for(8001)
        wait_until(lambda: (pair.subscription() or (0, 1))[1] is None, 30, "the last finish")
        assert mover.stop() == 0
        assert "Traceback" not in mover.stderr
    pair.assert_identical()


def pause(bouncer: PgBouncer) -> None:
    """The target first: a batch in the middle of a transaction there needs the source to end it,
    and PAUSE waits for that transaction."""
    for name in ("here", "there"):
        bouncer.command(f"PAUSE {name}")


def test_paused_reconnected_and_resumed(pair: Pair, bouncer: PgBouncer) -> None:
    """Given the commands with which operators restart a server behind it, then nobody notices."""
    with pair.start(max_batch_events=0, **ways(pair, bouncer)) as mover:
        for number in range(1, 5):
            for _ in range(5):
                pair.produce(200)
            bouncer.command("RECONNECT")
            pause(bouncer)
            pair.produce(200)
            before = pair.target_events.count()
            assert before < 1200 * number
            bouncer.command("RELOAD")
            assert pair.target_events.count() == before
            for name in ("there", "here"):
                bouncer.command(f"RESUME {name}")
            pair.wait_for(1200 * number)
        # nor does a pause keep a mover from stopping
        pause(bouncer)
        assert mover.stop() == 0
        # PAUSE closes a server connection that is being opened, and PgBouncer calls that a login
        # that has failed.
        errors = [line for line in mover.stderr.splitlines() if "ERROR" in line]
        assert [line for line in errors if "(server_login_retry)" not in line] == []
    pair.assert_identical()


def test_server_connections_that_do_not_last(pair: Pair) -> None:
    """Given a PgBouncer that replaces them all the time, and drops clients that are idle."""
    pair.register()
    short = {"server_lifetime": 0.2, "server_idle_timeout": 0.2, "client_idle_timeout": 30}
    with (
        bouncer_before(pair, **MIXING, **short) as server,
        pair.start(max_batch_events=0, **ways(pair, server)) as mover,
    ):
        for number in range(1, 31):
            pair.produce(100)
            pair.wait_for(100 * number)
        assert mover.stop() == 0
        assert "ERROR" not in mover.stderr
    pair.assert_identical()


USED_UP = {
    "no free server connection": (
        {"default_pool_size": 1, "query_wait_timeout": 1},
        {"default_pool_size": 2},
        "query_wait_timeout; remedy: raise default_pool_size in pgbouncer.ini",
    ),
    "too many clients": (
        {"max_client_conn": 2},
        {"max_client_conn": 10},
        "(max_client_conn); remedy: raise max_client_conn in pgbouncer.ini",
    ),
}


@pytest.mark.parametrize("case", USED_UP)
def test_used_up(pair: Pair, case: str) -> None:
    """Given another client in a transaction, then the mover names what to raise, and goes on."""
    limits, raised, message = USED_UP[case]
    pair.register()
    pair.produce(10)
    with bouncer_before(pair, **limits) as server:
        way = ways(pair, server)
        with psycopg.connect(way["dst_db"]) as other:
            other.execute("select 1")
            with pair.start(**way) as mover:
                mover.wait_for_output(message)
                assert pair.target_events.count() == 0
                server.configure(**raised)
                server.command("RELOAD")
                mover.wait_for_output("INFO recovered: working again")
                pair.wait_for(10)
                assert mover.stop() == 0
    pair.assert_identical()
