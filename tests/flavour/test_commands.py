"""What pgqadm does and shows, for a PgQ of another name."""

import logging
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from queue_mover.admin import queue_config, queues, ticker
from queue_mover.errors import NotReadyError
from queue_mover.observation.database import read_consumers
from queue_mover.postgres import database
from queue_mover.postgres.translation import translate
from queue_mover.service.ticker_job import Chores, TickerJob, TickLines
from testbed.database import Database, value
from tests.flavour.other_pgq import OTHER


@pytest.fixture
def nobody(other_db: Database, other: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection to other_db as a role that may do nothing."""
    other.execute("create role nobody_here login")
    with other_db.connect(user="nobody_here") as conn:
        yield conn
    other.execute("drop role nobody_here")


def test_queues_and_consumers_come_and_go(other: psycopg.Connection) -> None:
    assert queues.create(other, "q", flavour=OTHER) == 'queue "q" created'
    assert "registered on" in queues.register(other, "q", "c", flavour=OTHER)
    (seen,) = read_consumers(other, "q", flavour=OTHER)
    assert (seen.name, seen.last_tick) == ("c", 1)
    assert "is not registered" in queues.unregister(other, "q", "d", flavour=OTHER)
    assert "unregistered from" in queues.unregister(other, "q", "c", flavour=OTHER)
    assert queues.drop(other, "q", flavour=OTHER) == 'queue "q" dropped'


def test_settings_can_be_changed(other: psycopg.Connection) -> None:
    queues.create(other, "q", flavour=OTHER)
    (change,) = queue_config.change(other, "q", ["ticker_max_count=7"], flavour=OTHER)
    assert (change.old, change.new) == ("500", "7")
    (shown,) = queue_config.show(other, flavour=OTHER)
    assert dict(shown.values)["queue_ticker_max_count"] == "7"


def test_it_is_ticked_and_maintained(
    other_db: Database, other: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    queues.create(other, "q", flavour=OTHER)
    other.execute(
        "update otherq.queue set queue_ticker_idle_period = '0', queue_rotation_period = '0'"
    )
    log = logging.getLogger("ticker")
    job = TickerJob(
        database.Database("", other_db.conninfo(), "ticker", 0, OTHER),
        Chores(3600, 3600, log, OTHER),
        TickLines(0),
        log,
        OTHER,
    )
    before = value(other, "select last_tick_id from otherq.get_queue_info('q')")
    with caplog.at_level("DEBUG", "ticker"):
        job.prepare()
        while job.step().worked:
            pass
    job.close()
    assert value(other, "select last_tick_id from otherq.get_queue_info('q')") > before
    assert "maintenance: otherq.maint_retry_events()" in caplog.messages
    assert "maintenance: otherq.maint_rotate_tables_step1(q)" in caplog.messages
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_one_queue_that_cannot_be_ticked_leaves_the_others(other: psycopg.Connection) -> None:
    for queue in ("bad", "good"):
        queues.create(other, queue, flavour=OTHER)
    other.execute("update otherq.queue set queue_ticker_idle_period = '0'")
    other.execute("update otherq.queue set queue_event_seq = 'gone' where queue_name = 'bad'")
    ticked = ticker.tick(other, OTHER)
    assert (ticked.count, [call.name for call in ticked.failures]) == (1, ["otherq.ticker(bad)"])


def test_remedies_name_its_roles(nobody: psycopg.Connection) -> None:
    with pytest.raises(NotReadyError, match='remedy: GRANT otherq_admin TO "nobody_here"'):
        queues.create(nobody, "q", flavour=OTHER)
    with pytest.raises(NotReadyError, match='remedy: GRANT otherq_admin TO "nobody_here"'):
        ticker.tick(nobody, OTHER)
    refused = errors.InsufficientPrivilege("permission denied")
    assert str(translate(refused, "source", OTHER)).endswith("GRANT otherq_reader TO this role")
    assert str(translate(refused, "target", OTHER)).endswith("GRANT otherq_admin TO this role")


def test_who_is_missing_is_called_by_name(source: psycopg.Connection) -> None:
    with pytest.raises(NotReadyError, match="OtherQ is not installed"):
        queues.create(source, "q", flavour=OTHER)
