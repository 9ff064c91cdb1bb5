"""queue_splitter3 as a command, and what status and check show of a mover that splits."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.database import Database
from testbed.processes import Process, Result, run, script, wait_until
from testbed.queues import tick
from tests.moving.pair import Pair
from tests.moving.splitter import SPLIT, Splitter, numbered


@pytest.fixture
def splitter(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Splitter]:
    """Two target queues, and nobody registered."""
    pair = Pair(source_db, target_db, tmp_path)
    yield Splitter(pair, "public.a", "public.b")
    pair.close()


def old_file(splitter: Splitter, section: str = "queue_splitter3") -> Path:
    """A file of the original, as its manual page shows it."""
    pair = splitter.pair
    path = pair.directory / "splitter.ini"
    path.write_text(
        f"[{section}]\njob_name = splitter\nsrc_db = {pair.source_db.conninfo()}\n"
        f"dst_db = {pair.target_db.conninfo()}\npgq_queue_name = {pair.queue}\n"
        "logfile = %(job_name)s.log\npidfile = %(job_name)s.pid\nloop_delay = 0.05\n"
    )
    return path


def command(path: Path, *switches: str, program: str = "queue_splitter3") -> Result:
    """Run a program on a file to its end, in the folder of the file."""
    return run([script(program), *switches, path], cwd=path.parent)


@pytest.mark.parametrize("program", ["queue_splitter3", "queue_splitter.py"])
def test_an_old_file_runs_with_the_usual_switches(splitter: Splitter, program: str) -> None:
    path, pair = old_file(splitter, program.removesuffix(".py")), splitter.pair
    log = path.with_name("splitter.log")
    # given a daemon
    command(path, "-d", program=program).check()
    wait_until(lambda: log.exists() and "Registering consumer" in log.read_text(), 30, "its start")
    wait_until(
        lambda: pair.source.execute("select from pgq.get_consumer_info()").rowcount, 30, "it"
    )
    # when
    pair.insert(*numbered(1000, splitter.queues))
    wait_until(lambda: splitter.count() == 1000, 30, "the events")
    # then its log is that of a mover, with its own name
    wait_until(lambda: "{count: 1000, duration: " in log.read_text(), 30, "the statistics")
    assert " INFO queue_splitter3 4.0.0 started: job splitter, pid " in log.read_text()
    command(path, "-r", program=program).check()
    wait_until(lambda: "Config reloaded" in log.read_text(), 30, "the reload")
    command(path, "-s", "--wait", program=program).check()
    assert not path.with_name("splitter.pid").exists()
    splitter.assert_identical()


def test_its_help_and_its_refusals_name_it(splitter: Splitter) -> None:
    path = splitter.pair.ini()
    assert run([script("queue_splitter3"), "-V"]).stdout.startswith("queue_splitter3 4.")
    assert run([script("queue_splitter3"), "--help"]).stdout.startswith("usage: queue_splitter3 ")
    assert run([script("queue_splitter3"), "--ini"]).stdout.startswith("[queue_splitter3]\n")
    for switches in ((), ("--check",), ("--status",)):
        result = command(path, *switches)
        assert result.returncode in (1, 2)
        assert f"remedy: queue_mover3 {path}" in result.stdout + result.stderr


@pytest.fixture
def splitting(splitter: Splitter) -> Iterator[Process]:
    """A mover that splits, with fresh ticks on both sides."""
    for queue in splitter.queues:
        tick(splitter.pair.target, queue)
    with splitter.start() as mover:
        splitter.pair.insert(*numbered(4, splitter.queues))
        wait_until(lambda: splitter.count() == 4, 30, "the events")
        yield mover


def test_status_and_check_of_a_mover_that_works(splitter: Splitter, splitting: Process) -> None:
    pair = splitter.pair
    pair.target.execute("select pgq.register_consumer('public.a', 'reader')")
    status = json.loads(pair.command("--status", "--json", **SPLIT).stdout)
    (source,) = status["sources"]
    assert source["target_queue"] == "by ev_extra1"
    assert [finding["code"] for finding in status["findings"]] == []
    # then the queues of the target are listed, with who reads them
    readers = {
        each["queue"]: [c["consumer"] for c in each["consumers"]] for each in status["targets"]
    }
    assert readers == {
        "by ev_extra1": [],
        pair.target_queue: [],
        "public.a": ["reader"],
        "public.b": [],
    }
    assert "public.a" in pair.command("--status", **SPLIT).stdout
    # and the check counts them, and says what it cannot check
    check = json.loads(pair.command("--check", "--json", **SPLIT).stdout)
    notes = {line["topic"]: line["note"] for line in check["checks"]}
    assert notes["queues"] == f"{pair.queue} by ev_extra1 to 3 queues"
    assert notes["target_ticker"] == "no target queue to check"


def test_check_names_what_keeps_it_from_starting(splitter: Splitter) -> None:
    pair = splitter.pair
    # given one queue that takes no events
    pair.target.execute(
        "update pgq.queue set queue_disable_insert = true where queue_name = 'public.b'"
    )
    text = pair.command("--check", **SPLIT).stdout
    assert (
        f'{pair.queue} by ev_extra1 to 3 queues, of which 1 cannot be written to ("public.b")'
        in text
    )
    # and a role that may write to none
    pair.target.execute("create role writes_none login; grant pgq_writer to writes_none")
    role = pair.target_db.conninfo(user="writes_none")
    refused = pair.command("--check", dst_db=role, **SPLIT).stdout
    assert "may not insert into the event tables of any queue" in refused
    assert "GRANT pgq_admin TO" in refused
    started = pair.command(dst_db=role, **SPLIT)
    assert started.returncode == 1
    assert "may not insert into the event tables of any queue; remedy: GRANT" in started.stderr
    pair.target.execute("drop owned by writes_none; drop role writes_none")
    # and all of them disabled, and none at all
    pair.target.execute("update pgq.queue set queue_disable_insert = true")
    assert "inserts into all of its queues are disabled" in pair.command(**SPLIT).stderr
    for queue in (*splitter.queues, pair.target_queue):
        pair.target.execute("select pgq.drop_queue(%s)", [queue])
    assert "no queue for events to name; remedy: pgqadm.py CONFIG" in pair.command(**SPLIT).stderr
    # then nothing was registered
    assert pair.subscription() is None
    assert "create queue" not in pair.command("--check", "--fix", **SPLIT).stdout
