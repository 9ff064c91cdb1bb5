"""Clusters do what the tests of crashes and outages rely on."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.processes import wait_until
from testbed.procfs import process_alive
from testbed.programs import chosen, pgq_version
from testbed.queues import queue_table


def test_fresh_databases_have_pgq(source_db: Database, target_db: Database) -> None:
    for database in (source_db, target_db):
        with database.connect() as conn:
            assert conn.execute("select pgq.version()").fetchone() == (pgq_version(),)
            row = conn.execute("select extname from pg_extension where extname = 'pgq'").fetchone()
            assert row == (None if chosen().pgq_sql else ("pgq",))
    with target_db.connect() as conn:
        assert conn.execute("select pgq_ext.get_last_tick('nobody')").fetchone() == (None,)


def test_databases_are_not_shared(source_db: Database, source_queue: str) -> None:
    with source_db.connect() as conn:
        assert queue_table(conn, source_queue) == "pgq.event_1"


def test_unix_socket(source_cluster: Cluster, source_db: Database) -> None:
    with source_db.connect(host=str(source_cluster.socket_directory)) as conn:
        assert conn.info.host == str(source_cluster.socket_directory)


def test_crash_keeps_what_was_committed(source_cluster: Cluster, source_db: Database) -> None:
    with source_db.connect() as conn:
        conn.execute("create table kept as select 1 as x")
        source_cluster.crash()
        with pytest.raises(psycopg.OperationalError):
            conn.execute("select 1")
    source_cluster.start()
    with source_db.connect() as conn:
        assert conn.execute("select x from kept").fetchone() == (1,)


def test_frozen_server_answers_later(source_cluster: Cluster, source: psycopg.Connection) -> None:
    with source_cluster.frozen():
        source.pgconn.send_query(b"select 1")
        time.sleep(0.2)
        source.pgconn.consume_input()
        assert source.pgconn.is_busy()
    assert source.pgconn.get_result() is not None


def test_frozen_cluster_can_be_stopped(private_cluster: Callable[..., Cluster]) -> None:
    cluster = private_cluster(max_connections=10)
    cluster.freeze()
    cluster.stop()
    assert not cluster.running


def test_settings(private_cluster: Callable[..., Cluster]) -> None:
    cluster = private_cluster(durable=True, settings={"log_statement": "all"})
    with cluster.connect() as conn:
        assert conn.execute("show fsync").fetchone() == ("on",)
        conn.execute("select 'seen in the log'")
    assert "seen in the log" in cluster.log_tail()


def test_nothing_outlives_a_killed_owner() -> None:
    program = (
        "from testbed.cluster import Cluster\n"
        "cluster = Cluster().start()\n"
        "print(cluster.pid, cluster.directory, flush=True)\n"
        "import os, signal\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    pid, directory = done.stdout.split()
    wait_until(lambda: not process_alive(int(pid)), 15, "the postmaster to exit")
    wait_until(lambda: not Path(directory).exists(), 15, "its directory to be removed")
