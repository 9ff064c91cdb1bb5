"""A real PgBouncer in each of its modes."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from queue_mover.postgres.database import Database as Sessions
from queue_mover.postgres.pooler import Pooler, find_pooler
from testbed.database import Database
from tests.check.conftest import document, findings, results
from tests.moving.pair import Pair
from tests.moving.test_pgbouncer import bouncing


@pytest.fixture
def pair(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A source queue and a target queue."""
    pair = Pair(source_db, target_db, tmp_path)
    yield pair
    pair.close()


def seen(conninfo: str) -> Pooler:
    """What is found on the way to a database."""
    first, second, third = (Sessions("source", conninfo, "test") for _ in range(3))
    with first.session() as connection:
        found = find_pooler(connection, second, third)
    first.close()
    return found


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("session", Pooler.SESSION),
        ("transaction", Pooler.TRANSACTION),
        ("statement", Pooler.STATEMENT),
    ],
)
@pytest.mark.parametrize("round_robin", [0, 1])
def test_each_mode_is_told(
    pair: Pair,
    mode: str,
    expected: Pooler,
    round_robin: int,
) -> None:
    """Given server connections that are used in turn, or the last one first."""
    with bouncing(pair, pool_mode=mode, server_round_robin=round_robin) as ways:
        for conninfo in ways.values():
            assert seen(conninfo) is expected
            # and with several server connections open
            several = [psycopg.connect(conninfo, autocommit=True) for _ in range(3)]
            for conn in several:
                conn.execute("select 1")
            assert seen(conninfo) is expected
            for conn in several:
                conn.close()


def test_no_pooler(pair: Pair) -> None:
    assert seen(pair.source_db.direct_conninfo()) is Pooler.NONE


def test_a_pool_that_is_used_up(pair: Pair) -> None:
    """Given a session pool of one, then the check ends all the same."""
    with bouncing(pair, pool_mode="session", default_pool_size=1) as ways:
        assert seen(ways["src_db"]) is Pooler.UNKNOWN


@pytest.mark.parametrize(
    ("mode", "result"), [("session", "ok"), ("transaction", "ok"), ("statement", "failure")]
)
def test_the_check_names_the_mode(pair: Pair, mode: str, result: str) -> None:
    pair.register()
    with bouncing(pair, pool_mode=mode) as ways:
        config: Path = pair.ini(**ways)
        found = document(config)
    assert results(found)["pooler"] == result
    (line,) = [line for line in found["checks"] if line["topic"] == "pooler"]
    if result == "ok":
        assert line["note"] == (
            f"source PgBouncer or similar, {mode} mode, target PgBouncer or similar, {mode} mode"
        )
        assert findings(found) == []
    else:
        assert [f["code"] for f in line["findings"]] == ["pooler_mode", "pooler_mode"]
        assert "pool_mode = transaction" in line["findings"][0]["remedy"]
