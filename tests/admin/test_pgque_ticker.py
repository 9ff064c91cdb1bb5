"""pgqadm ticker with PgQue: beside PgQ, and beside a scheduler in the server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from queue_mover.admin.install import install
from queue_mover.config.loading import load_admin
from queue_mover.errors import NotReadyError
from queue_mover.model import FLAVOURS, PGQ, PGQUE, Flavour
from queue_mover.service import flavoured_ticker, ticker_job
from queue_mover.service.job import Job
from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.processes import Processes, script, wait_until
from tests.admin.pgque import Admin, empty_database, pgque_file

PATIENCE = 30.0


@pytest.fixture
def database(source_cluster: Cluster) -> Iterator[Database]:
    """A database with PgQ and PgQue, and a queue in each."""
    file = pgque_file()
    database = empty_database(source_cluster, "ticked_pgque")
    with database.connect() as conn:
        install(conn)
        install(conn, flavours=["pgque"], pgque_sql=file)
        for flavour in FLAVOURS:
            new_queue(conn, flavour)
        conn.execute("create role only_ticks login in role pgq_admin, pgque_admin")
    yield database
    source_cluster.drop_database("ticked_pgque")
    with source_cluster.connect() as conn:
        conn.execute("drop role only_ticks")


def new_queue(conn: psycopg.Connection, flavour: Flavour) -> None:
    """A queue "q" that is ticked soon, with a consumer "c"."""
    conn.execute(flavour.sql("select {pgq}.create_queue('q')"))
    for key, setting in (("max_lag", "50 milliseconds"), ("idle_period", "50 milliseconds")):
        conn.execute(
            flavour.sql("select {pgq}.set_queue_config('q', %s, %s)"), [f"ticker_{key}", setting]
        )
    conn.execute(flavour.sql("select {pgq}.register_consumer('q', 'c')"))


def insert(conn: psycopg.Connection, flavour: Flavour) -> int:
    """Insert an event; its id."""
    return int(value(conn, flavour.sql("select {pgq}.insert_event('q', 'type', 'data')")))


def ticks(conn: psycopg.Connection, flavour: Flavour) -> int:
    """How many ticks the queue has had."""
    return int(value(conn, flavour.sql("select max(tick_id) from {pgq}.tick")))


def take(conn: psycopg.Connection, flavour: Flavour, *, retry: bool = False) -> list[int]:
    """The events that have a tick, which the consumer wants again later, or not."""
    found: list[int] = []
    while (batch := value(conn, flavour.sql("select {pgq}.next_batch('q', 'c')"))) is not None:
        events = conn.execute(flavour.sql("select ev_id from {pgq}.get_batch_events(%s)"), [batch])
        for (event,) in events.fetchall():
            found.append(event)
            if retry:
                conn.execute(flavour.sql("select {pgq}.event_retry(%s, %s, 0)"), [batch, event])
        conn.execute(flavour.sql("select {pgq}.finish_batch(%s)"), [batch])
    return found


def take_some(conn: psycopg.Connection, flavour: Flavour, *, retry: bool = False) -> list[int]:
    """Wait for events, then as `take`."""
    return wait_until(lambda: take(conn, flavour, retry=retry), PATIENCE, "an event")


def wait_for_rotation(conn: psycopg.Connection, flavour: Flavour) -> None:
    """Wait until the queue writes to its last table; its consumer reads on meanwhile."""

    def rotated() -> bool:
        take(conn, flavour)
        return bool(value(conn, flavour.sql("select queue_cur_table = 2 from {pgq}.queue")))

    wait_until(rotated, PATIENCE, "a rotation")


@contextmanager
def ticker(admin: Admin, folder: Path) -> Iterator[None]:
    """pgqadm ticker, running."""
    with Processes() as processes:
        program = [script("pgqadm.py"), str(admin.config), "ticker"]
        process = processes.start(program, folder, name="ticker")
        yield
        assert process.stop() == 0


def test_one_process_ticks_and_maintains_both(database: Database, tmp_path: Path) -> None:
    # given a role with no more than it needs, and an event in each queue
    log = tmp_path / "ticker.log"
    admin = Admin(tmp_path, database, maint_delay="0.2", logfile=log)
    admin.settings["db"] = database.conninfo(user="only_ticks")
    with database.connect() as conn, ticker(admin, tmp_path):
        for flavour in FLAVOURS:
            event = insert(conn, flavour)
            # then it has its tick, comes back when asked for, and the queue rotates
            assert take_some(conn, flavour, retry=True) == [event]
            assert take_some(conn, flavour) == [event]
            conn.execute(flavour.sql("update {pgq}.queue set queue_rotation_period = '0.1 s'"))
            wait_for_rotation(conn, flavour)
    text = log.read_text()
    assert [text.count(line) for line in (" INFO ticking PgQ\n", " INFO ticking PgQue\n")] == [1, 1]
    assert " ERROR " not in text
    assert " WARNING " not in text


def test_beside_a_scheduler_each_event_is_in_one_batch(database: Database, tmp_path: Path) -> None:
    # given what pgque.start() leaves, and what its job calls
    log, stopping = tmp_path / "ticker.log", threading.Event()
    admin = Admin(tmp_path, database, flavour="pgque", loop_delay="0.001", logfile=log)

    def schedule() -> None:
        with database.connect() as conn:
            while not stopping.is_set():
                conn.execute("call pgque.ticker_loop()")

    with database.connect() as conn, database.connect() as producer:
        conn.execute("update pgque.config set scheduler = 'pg_cron', ticker_job_id = 1")
        conn.execute("select pgque.set_tick_period_ms(1)")
        conn.execute("select pgque.set_queue_config('q', 'ticker_max_count', '1')")
        (title, *_) = admin.says("status")
        before = ticks(conn, PGQ), ticks(conn, PGQUE)
        scheduler = threading.Thread(target=schedule)
        scheduler.start()
        with ticker(admin, tmp_path):
            wait_until(lambda: "ticking PgQue" in log.read_text(), PATIENCE, "the ticker")
            sent, taken = list[int](), list[int]()
            for _ in range(300):
                sent += [insert(producer, PGQUE) for _ in range(3)]
                taken += take(conn, PGQUE)
            while len(taken) < len(sent):
                taken += take_some(conn, PGQUE)
            stopping.set()
        scheduler.join()
        taken += take(conn, PGQUE)
        after = ticks(conn, PGQ), ticks(conn, PGQUE)
    # then
    assert taken == sent
    assert after[1] > before[1] + 100
    assert after[0] == before[0], "PgQ was not to be ticked"
    assert ", ticked by pg_cron, pgq_ext " in title
    assert log.read_text().count(
        " WARNING PgQue is already ticked by pg_cron: harmless, but one ticker is enough;"
        " remedy: SELECT pgque.stop(), or stop this ticker\n"
    ) == 1  # fmt: skip


def job_of(admin: Admin) -> Job:
    """The job of its ticker, to be stepped by hand."""
    return ticker_job.spec(load_admin(admin.config, {})).make()


def news(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What it has logged, without statistics."""
    return [message for message in caplog.messages if not message.startswith("{")]


def test_one_that_fails_does_not_stop_the_other(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    admin = Admin(tmp_path, database, exception_sleep="0.2")
    admin.settings["db"] = database.conninfo(user="only_ticks")
    caplog.set_level("INFO")
    job = job_of(admin)

    def ticked(conn: psycopg.Connection, flavour: Flavour) -> None:
        before = ticks(conn, flavour)

        def more() -> bool:
            job.step()
            return ticks(conn, flavour) > before

        wait_until(more, PATIENCE, f"a tick of {flavour.name}")

    with database.connect() as conn:
        conn.execute("revoke pgque_admin from only_ticks")
        # given: at the start both are needed
        with pytest.raises(NotReadyError, match='remedy: GRANT pgque_admin TO "only_ticks"'):
            job.prepare()
        conn.execute("grant pgque_admin to only_ticks")
        job.prepare()
        ticked(conn, PGQUE)
        # when one is no longer allowed
        conn.execute("revoke pgque_admin from only_ticks")
        before = ticks(conn, PGQUE)
        for _ in range(3):
            ticked(conn, PGQ)
        assert ticks(conn, PGQUE) == before
        # then one line says so, and one that it is over
        conn.execute("grant pgque_admin to only_ticks")
        ticked(conn, PGQUE)
        # when none works, then that is an error
        conn.execute("revoke pgque_admin, pgq_admin from only_ticks")
        with pytest.raises(NotReadyError, match="remedy: GRANT pgq_admin TO"):
            job.step()
    job.close()
    end = 'remedy: GRANT pgque_admin TO "only_ticks"; retrying every 0.2 s'
    assert len([line for line in news(caplog) if line.endswith(end)]) == 2
    assert news(caplog).count("PgQue: recovered: working again") == 1


@pytest.mark.usefixtures("pgq_extension")
def test_it_follows_what_is_installed_and_removed(
    source_db: Database,
    source: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(flavoured_ticker, "CHECK_SECONDS", 0.0)
    caplog.set_level("INFO")
    file = pgque_file()
    new_queue(source, PGQ)
    job = job_of(Admin(tmp_path, source_db))
    job.prepare()
    # given PgQ alone: then nothing is new
    assert news(caplog) == []
    assert job.connections() == {"source": 1}
    # when PgQue comes
    install(source, flavours=["pgque"], pgque_sql=file)
    new_queue(source, PGQUE)
    before = ticks(source, PGQUE)
    wait_until(lambda: job.step() and ticks(source, PGQUE) > before, PATIENCE, "a tick of PgQue")
    assert job.connections() == {"source": 2}
    # when it goes, and then PgQ
    source.execute("drop schema pgque cascade")
    before = ticks(source, PGQ)
    wait_until(lambda: job.step() and ticks(source, PGQ) > before, PATIENCE, "a tick of PgQ")
    assert job.connections() == {"source": 1}
    assert news(caplog) == ["ticking PgQue", "PgQue: no longer installed, not ticked"]
    source.execute("drop extension pgq cascade")
    with pytest.raises(NotReadyError, match="PgQ is not installed"):
        job.step()
    job.close()
