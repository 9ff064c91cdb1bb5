"""Everything that is wrong is listed in one run, each thing with its remedy."""

import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.ini import write_sections
from testbed.processes import run, script
from testbed.queues import create_queue, tick
from tests.check.conftest import check, codes, document, findings, ini, results

_numbers = itertools.count(1)


@pytest.fixture
def empty(source_cluster: Cluster) -> Iterator[Callable[[str], Database]]:
    """Makes databases without PgQ; options are those of CREATE DATABASE."""
    made = []

    def make(options: str = "") -> Database:
        name = f"empty{next(_numbers)}"
        with source_cluster.start().connect() as conn:
            conn.execute(f"create database {name} {options}".encode())
        made.append(name)
        return source_cluster.database(name)

    yield make
    for name in made:
        source_cluster.drop_database(name)


@pytest.fixture
def poor(source_cluster: Cluster, target_cluster: Cluster) -> Iterator[str]:
    """A role without any privilege, on both servers."""
    clusters = (source_cluster, target_cluster)
    for cluster in clusters:
        with cluster.start().connect() as conn:
            conn.execute("create role poor login")
    yield "poor"
    for cluster in clusters:
        with cluster.connect() as conn:
            conn.execute("drop role poor")


def test_twenty_things_wrong_are_twenty_lines(
    tmp_path: Path,
    source_db: Database,
    target_db: Database,
    source: psycopg.Connection,
    target: psycopg.Connection,
    empty: Callable[[str], Database],
    poor: str,
) -> None:
    # given a source on which somebody has had an accident, with clocks that differ
    create_queue(source, "here", ticker_paused="true")
    source.execute("update pgq.queue set queue_disable_insert = true")
    source.execute("update pgq.queue set queue_switch_time = now() - interval '9 hours'")
    name = source_db.name
    source.execute(f"alter database {name} set timezone = 'Europe/London'".encode())
    source.execute("create schema fake")
    source.execute(
        "create function fake.clock_timestamp() returns timestamptz language sql"
        " as $$ select pg_catalog.clock_timestamp() + interval '1 hour' $$"
    )
    source.execute(f"alter database {name} set search_path = fake, pg_catalog, public".encode())
    create_queue(target, "there")
    tick(target, "there")
    # and a role that may nothing, an encoding that fits no event, a server that is away
    latin = empty("encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0")
    away = "host=127.0.0.1 port=1 dbname=away"
    only = "options='-c default_transaction_read_only=on'"
    main = {
        "job_name": "job",
        "dst_db": target_db.conninfo(),
        "queue_name": "here",
        "dst_queue_name": "there",
        "pidfile": tmp_path / "none" / "job.pid",
        "logfile": tmp_path / "job.ini" / "job.log",
        "loop_dealy": 3,
        "keepalive_stats": "often",
    }
    sources: dict[str, dict[str, object]] = {
        "stuck": {"src_db": source_db.conninfo(), "pgq_keep_lag": "3 parsecs"},
        "poor": {
            "src_db": source_db.conninfo(user=poor),
            "dst_db": target_db.conninfo(user=poor),
            "dst_queue_name": "of_the_poor",
            "consumer_name": "poor",
        },
        "bare": {"src_db": latin.conninfo()},
        "away": {"src_db": away, "dst_queue_name": "missing"},
        "readonly": {"src_db": f"{source_db.conninfo()} {only}", "queue_name": "other"},
        "misspelt": {"src_db": "host=127.0.0.1 prt=1"},
        "unset": {"dst_queue_name": "x"},
    }
    config = write_sections(
        tmp_path / "job.ini",
        {"queue_mover3": main, **{f"source:{name}": each for name, each in sources.items()}},
    )
    # when
    result, found = check(config), document(config)
    # then each is listed, under its topic
    expected = {
        ("config", "config", None): 4,
        ("config", "interval_not_usable", None): 1,
        ("queues", "inserts_disabled", "stuck"): 1,
        ("registration", "consumer_not_registered", "stuck"): 1,
        ("source_ticker", "ticker_paused", "stuck"): 1,
        ("rotation", "rotation", "stuck"): 1,
        ("clock", "clock_differs", "stuck"): 1,
        ("time_zone", "time_zone_differs", "stuck"): 1,
        ("queues", "queue_missing", "poor"): 1,
        ("privileges", "privilege_missing", "poor"): 3,
        ("pgq", "not_installed", "bare"): 1,
        ("encodings", "encodings_differ", "bare"): 1,
        ("source_database", "unreadable", "away"): 1,
        ("queues", "queue_missing", "away"): 1,
        ("source_database", "read_only", "readonly"): 1,
        ("queues", "queue_missing", "readonly"): 1,
        ("files", "pidfile_not_writable", None): 1,
        ("files", "logfile_not_writable", None): 1,
    }
    listed = codes(found)
    assert {each: listed.count(each) for each in expected} == expected
    assert sum(expected.values()) >= 20
    # and each has a remedy, in the text as well
    assert all(finding["text"] and finding["remedy"] for finding in findings(found))
    printed = result.stdout.splitlines()
    bad = [n for n, line in enumerate(printed) if line.startswith(("  FAILURE ", "  warning "))]
    assert len(bad) >= 20
    assert all(printed[n + 1].strip().startswith("remedy: ") for n in bad)
    assert result.returncode == 2
    assert "\nSource away: from host=127.0.0.1 port=1 dbname=away to " in result.stdout
    # and what two share is there once
    assert result.stdout.count("inserts disabled") == 1
    assert "Traceback" not in result.stderr


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    away = "host=127.0.0.1 port=1 password=hunter2"
    config = ini(tmp_path, away, away)
    for switches in ([], ["--json"], ["--fix"]):
        result = check(*switches, config)
        assert result.returncode == 2
        assert "hunter2" not in result.stdout + result.stderr


# Config


@pytest.mark.parametrize(
    ("text", "told", "remedy"),
    [
        ("[queue_mover3]\n", "src_db: missing from [queue_mover3]", "queue_mover3 --ini"),
        ("[other]\n", "no section [queue_mover3]", "queue_mover3 --ini"),
        ("nonsense\n", "before any [section]", "queue_mover3 --ini"),
        (
            "[pgqadm]\ndb = dbname=a\n",
            "no section [queue_mover3]; it is pgqadm's file",
            "pgqadm.py",
        ),
        (None, "Config file not found", "queue_mover3 --ini"),
    ],
)
def test_a_config_that_cannot_be_used(
    tmp_path: Path, text: str | None, told: str, remedy: str
) -> None:
    """Then that is the failure, and the rest is skipped."""
    config = tmp_path / "job.ini"
    if text is not None:
        config.write_text(text)
    found = document(config)
    assert found["exit_code"] == 2
    assert results(found).pop("config") == "failure"
    assert set(results(found).values()) == {"failure", "skipped"}
    assert told in findings(found)[0]["text"]
    assert remedy in findings(found)[0]["remedy"]


def test_all_mistakes_of_a_config_are_listed(config: Path) -> None:
    """Given a source that can be used all the same, then it is checked."""
    config.write_text(
        config.read_text()
        + "loop_delay = fast\nexception_grace = soon\nlog_count = -1\nmax_batch_events = many\n"
        "[source:job]\nconsumer_name = job\n[source:bad]\nauto_register = perhaps\n"
    )
    found = document(config)
    told = [finding["text"].partition(": ")[2] for finding in findings(found)]
    assert sorted(told) == [
        "[source:bad]: auto_register: 'perhaps' is not 0 or 1 (yes/no, true/false, on/off)",
        "exception_grace: 'soon' is not a number",
        "log_count: '-1' is not a whole number from 0 to 2147483647",
        "loop_delay: 'fast' is not a number",
        "max_batch_events: 'many' is not a whole number",
    ]
    assert results(found)["registration"] == "ok"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"http_listen": "127.0.0.1:{taken}"}, "127.0.0.1:{taken}: Address already in use"),
        ({"http_listen": "127.0.0.1:{taken}", "pidfile": ""}, ""),
        ({"http_listen": "0.0.0.0:{taken}"}, "other machines can reach it"),
        ({"http_listen": "127.0.0.1:1", "http_token_file": "none"}, "none: No such file"),
        ({"use_skylog": "1", "skylog_locations": "none.ini"}, "skylog.ini not found"),
    ],
)
def test_what_would_end_the_process_at_its_start(
    config: Path, changes: dict[str, str], words: str
) -> None:
    """Without a pidfile it is not known whether the address is taken by the mover itself."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        switches = [f"--set={key}={text.format(taken=taken)}" for key, text in changes.items()]
        found = document(config, *switches)
    problems = [finding for finding in findings(found) if finding["code"] == "config"]
    assert len(problems) == found["exit_code"] == bool(words)
    for finding in problems:
        assert words.format(taken=taken) in finding["text"]
        assert finding["remedy"]


def test_sources_that_are_in_each_others_way(config: Path) -> None:
    """Then the conflict is listed, and each source is checked by itself."""
    config.write_text(config.read_text() + "[source:a]\nconsumer_name = job\n[source:b]\n")
    found = document(config)
    assert codes(found)[0] == ("config", "config", None)
    assert "would both move the events of queue" in findings(found)[0]["text"]
    assert {line["source"] for line in found["checks"]} == {None, "a", "b"}


def test_a_source_that_is_none(config: Path) -> None:
    config.write_text(config.read_text() + "[source:a]\n")
    found = document(config, "--source", "b")
    assert (found["exit_code"], len(findings(found))) == (2, 1)
    assert "no such source; the file has: a" in findings(found)[0]["text"]


# What surrounds a mover


def test_the_lower_limit_of_open_files(config: Path) -> None:
    prepared = f"ulimit -n 26; exec {script('queue_mover3')} --check {config}"
    result = run(["bash", "-c", prepared], cwd=config.parent)
    assert result.returncode == 1
    assert "1 source may need 29 open files, 26 are allowed" in result.stdout
    assert "remedy: ulimit -n 29, or LimitNOFILE=29" in result.stdout


def test_a_log_that_would_fill_the_disk(config: Path) -> None:
    config.write_text(config.read_text() + "log_size = 2147483647\nlog_count = 2147483647\n")
    (finding,) = findings(document(config))
    assert (finding["code"], finding["severity"]) == ("disk_space", "warning")
    assert "TiB" in finding["text"]


def test_the_target_ticker_counts(config: Path, target: psycopg.Connection) -> None:
    target.execute("update pgq.tick set tick_time = now() - interval '1 hour'")
    found = document(config)
    assert codes(found) == [("target_ticker", "ticker", None)]
    assert findings(found)[0]["remedy"] == "start pgqd, or pgqadm.py CONFIG ticker"
    assert "\nCONFIG: pgqadm's file for that database" in check(config).stdout


def test_who_holds_the_rotation_back(
    config: Path, source: psycopg.Connection, target: psycopg.Connection
) -> None:
    """Given a consumer on either side that does not read, then it is named."""
    target.execute("select pgq.register_consumer('there', 'sleeper')")
    for conn, queue in ((source, "here"), (target, "there")):
        tick(conn, queue)
        conn.execute("update pgq.queue set queue_rotation_period = '0'")
        conn.execute("select pgq.maint_rotate_tables_step1(%s)", [queue])
        conn.execute("select pgq.maint_rotate_tables_step2()")
        conn.execute(
            "update pgq.queue set queue_rotation_period = '1 hour',"
            " queue_switch_time = now() - interval '3 hours'"
        )
        tick(conn, queue)
    found = document(config)
    texts = [f["text"] for f in findings(found) if f["code"] == "rotation"]
    assert len(texts) == 2
    assert texts[0].startswith('source database: queue "here": rotation overdue by 2h')
    assert texts[1].startswith('target database: queue "there": rotation overdue by 2h')
    assert [text.rpartition(", held back by ")[2] for text in texts] == ["job", "sleeper"]


def test_encodings(
    tmp_path: Path, source_db: Database, target_cluster: Cluster, config: Path
) -> None:
    """Given a target in LATIN1, then what it cannot represent stops the mover, unless kept."""
    target_cluster.drop_database("latin")
    with target_cluster.connect() as conn:
        conn.execute("create database latin encoding LATIN1 locale 'C' template template0")
    config = ini(tmp_path, source_db.conninfo(), target_cluster.conninfo("latin"))
    (finding,) = [f for f in findings(document(config)) if f["code"] == "encodings_differ"]
    assert "characters that LATIN1 cannot represent" in finding["text"]
    config = ini(
        tmp_path,
        source_db.conninfo(),
        target_cluster.conninfo("latin"),
        on_bad_event="quarantine",
    )
    assert "encodings_differ" not in [f["code"] for f in findings(document(config))]
    target_cluster.drop_database("latin")


def test_a_pgq_ext_of_somebody_else(config: Path, target: psycopg.Connection) -> None:
    target.execute("drop schema queue_mover cascade")
    target.execute(
        "create or replace function pgq_ext.version() returns text language sql"
        " as $$ select '3.1'::text $$"
    )
    found = document(config)
    assert codes(found) == [("pgq", "origins_not_recorded", None)]
    assert findings(found)[0]["remedy"] == (
        f"queue_mover3 --check --fix {config}, or pgqadm.py install --movers {config}"
    )
    assert [repair["kind"] for repair in found["repairs"]] == ["install"]
