"""queue_mover3 --status: who runs, the last error, the speed; once and again and again."""

import json
import os
import pty
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from testbed.processes import Process, run, script, wait_until, write_ini
from testbed.queues import event_tables
from testbed.sessions import backends
from tests.command.world import PATIENCE, World

AWAY = "host=127.0.0.1 port=1 password=hunter2"


def status(world: World, **changes: object) -> Any:
    """The one source, as --status --json prints it."""
    result = world.run("--status", "--json", **changes)
    (source,) = json.loads(result.stdout)["sources"]
    return source


def elsewhere(world: World) -> Process:
    """Another mover of the same job, whose pidfile is its own."""
    settings = {**world.settings, "job_name": world.job, "pidfile": world.directory / "other.pid",
                "logfile": world.directory / "other.log"}  # fmt: skip
    config = write_ini(world.directory / f"other_{world.job}.ini", "queue_mover3", settings)
    return world.launch(config, name="other")


# Who runs


def test_before_the_first_start(world: World) -> None:
    assert world.run("--status").returncode == 1
    source = status(world)
    assert (source["state"], source["registered"]) == ("not_running", False)
    assert source["verdict"]["cause"] == "mover"


def test_running_here(world: World) -> None:
    pid = world.daemon()
    wait_until(world.consumer, PATIENCE, "the registration")
    source = status(world)
    assert (source["state"], source["pid"], source["elsewhere"]) == ("running_here", pid, None)
    assert source["tick"] is not None
    # and the same in words
    text = world.run("--status").check().stdout
    assert re.search(rf"^{world.job} .* here {pid} ", text, re.MULTILINE)


def test_running_elsewhere(world: World) -> None:
    """Given a config whose pidfile names no process, as on another host."""
    other = elsewhere(world)
    wait_until(lambda: world.backends(world.source), PATIENCE, "its session")
    source = status(world)
    assert (source["state"], source["pid"]) == ("running_elsewhere", None)
    assert source["elsewhere"] == "127.0.0.1"
    assert re.search(r" at 127\.0\.0\.1 ", world.run("--status").stdout)
    # and when it has ended, nobody runs
    other.stop()
    assert status(world)["state"] == "not_running"


def test_standing_by(world: World) -> None:
    """Given another mover with a batch on its way, then the one here stands by."""
    world.register()
    with world.stalled():
        world.produce(20)
        elsewhere(world)
        world.wait_for_stall()
        pid = world.daemon()
        world.logged("standing by: ")
        source = status(world)
    assert (source["state"], source["pid"]) == ("standing_by", pid)
    assert source["elsewhere"] == "127.0.0.1"
    wait_until(world.finished, PATIENCE, "the batch")


def test_a_pidfile_of_another_program_is_no_mover(world: World) -> None:
    with Process(["sleep", "60"], world.directory) as sleeper:
        world.pidfile.write_text(f"{sleeper.pid}\n")
        assert status(world)["state"] == "not_running"


def test_a_connect_string_with_a_name_of_its_own(world: World) -> None:
    """Given an application_name, then the mover is found by it, and the status is not taken for
    one."""
    named = {"src_db": world.source_db.conninfo(application_name="events from riga")}
    assert status(world, **named)["state"] == "not_running"
    pidless = {**named, "pidfile": None}
    world.launch(world.write(**pidless))
    wait_until(lambda: backends(world.source, "events from riga"), PATIENCE, "its session")
    assert status(world, **pidless)["state"] == "running_elsewhere"


# Speed and errors


def test_events_per_second(world: World) -> None:
    world.start()
    for number in range(3):
        world.produce(10, first=10 * number + 1)
        world.wait_for_events(10 * (number + 1))
    source = status(world)
    assert source["events_per_second"] > 0
    assert source["since_batch_seconds"] >= 0
    assert source["target_tick"] == source["tick"]


def test_the_last_error_and_the_recovery(world: World) -> None:
    # given a mover that works
    world.start(exception_sleep="0.2")
    world.produce(10)
    world.wait_for_events(10)
    assert status(world)["last_error"] is None
    # when its target refuses its events
    world.target.execute("""
        create function refuse() returns trigger language plpgsql
        as $$ begin raise disk_full using message = 'no room'; end $$
    """)
    (table, *_) = event_tables(world.target, world.target_queue)
    create = "create trigger refuse before insert on {} execute function refuse()"
    world.target.execute(sql.SQL(create).format(table))
    world.produce(10, first=11)
    world.logged("ERROR")
    # then the error is there, with who has it
    wait_until(lambda: status(world)["last_error"], PATIENCE, "the last error")
    source = status(world)
    error = source["last_error"]
    assert error["text"] in world.log
    assert error["pid"] == source["pid"]
    assert error["since_recovered_seconds"] is None
    assert source["verdict"]["cause"] == "target"
    assert error["text"] in source["verdict"]["text"]
    # and when it is over, that it is
    world.target.execute(sql.SQL("drop trigger refuse on {}").format(table))
    world.wait_for_events(20)
    recovered = wait_until(
        lambda: status(world)["last_error"]["since_recovered_seconds"] is not None,
        PATIENCE,
        "the recovery",
    )
    assert recovered
    assert re.search(rf"^Last error of {world.job}, .* recovered ", world.run("--status").stdout,
                     re.MULTILINE)  # fmt: skip


def test_a_mover_that_has_ended_leaves_its_error(world: World) -> None:
    world.register()
    world.produce(5)
    world.drain().check()
    world.source.execute("select pgq.unregister_consumer(%s, %s)", [world.source_queue, world.job])
    result = world.run()
    assert result.returncode == 1
    error = status(world)["last_error"]
    assert "is not registered" in error["text"]
    assert error["text"] in result.stderr
    # when another process works again, then the error is over, and ages in spite of its batches
    world.run("--rewind").check()
    for first in (6, 7):
        world.produce(1, first=first)
        world.drain().check()
        error = status(world)["last_error"]
        assert error["since_recovered_seconds"] == error["since_seen_seconds"]


# The command


def test_it_is_the_status_of_pgqadm(world: World) -> None:
    world.register()
    ours = world.run("--status")
    theirs = run([script("pgqadm.py"), "status", "--movers", world.config])
    # Ages differ from one to the other, and with them the width of the table.
    shape = [re.sub(r"[\d.]+(s|ms|m)+|-{9,}", "", text) for text in (ours.stdout, theirs.stdout)]
    assert shape[0].split() == shape[1].split()
    assert ours.returncode == theirs.returncode == 0


def test_what_cannot_be_read_exits_2_without_a_password(world: World) -> None:
    result = world.run("--status", src_db=AWAY)
    assert result.returncode == 2
    assert "Not known: " in result.stdout
    assert "hunter2" not in result.stdout + result.stderr
    missing = run([script("queue_mover3"), "--status", "--json", "none.ini"], cwd=world.directory)
    assert missing.returncode == 2
    (finding,) = json.loads(missing.stdout)["findings"]
    assert "Config file not found" in finding["text"]


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (["--json"], "--json works only with --check or --status"),
        (["--watch"], "--watch works only with --status"),
        (["--status", "--watch", "0"], "--watch: 0 is not between"),
        (["--status", "--watch=soon"], "--watch: 'soon' is not a number"),
        (["--status", "-s"], "-s cannot be used with --status"),
        (["--status", "--reset"], "--reset cannot be used with --status"),
        (["--status", "-d"], "-d cannot be used with --status"),
    ],
)
def test_switches_that_do_not_go_together(world: World, switches: list[str], words: str) -> None:
    result = world.run(*switches)
    assert result.returncode in (1, 2)
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_only_the_sources_that_are_asked_for(world: World) -> None:
    path = world.write()
    sections = "".join(f"[source:{name}]\nqueue_name = {name}\n" for name in ("riga", "oslo"))
    path.write_text(path.read_text() + sections)
    result = run([script("queue_mover3"), "--status", "--source", "o*", path])
    assert "oslo" in result.stdout
    assert "riga" not in result.stdout
    assert "1 source," in result.stdout


# Again and again


def test_watching_into_a_pipe_prints_reports_until_int(world: World) -> None:
    world.register()
    process = world.launch("--status", "--watch", "0.2", world.write(), name="watch")
    wait_until(lambda: process.stdout.count("1 source, ") >= 3, PATIENCE, "three reports")
    assert process.stop(signal.SIGINT) == 0
    assert "\033" not in process.stdout
    assert process.stderr == ""


def test_watching_as_json_prints_documents(world: World) -> None:
    world.register()
    process = world.launch("--status", "--json", "--watch", world.write(), name="watch")
    wait_until(lambda: process.stdout.count('"version"') >= 2, PATIENCE, "two documents")
    process.stop(signal.SIGINT)
    document, end = json.JSONDecoder().raw_decode(process.stdout)
    assert document["version"] == 1
    assert process.stdout[end:].startswith("\n{")


def test_watching_on_a_terminal_redraws(world: World) -> None:
    """Given a terminal, then each report begins on a cleared screen; INT ends it, even where the
    parent ignores that."""
    world.register()
    ours, theirs = pty.openpty()
    command = [script("queue_mover3"), "--status", "--watch", "0.2", str(world.write())]
    with subprocess.Popen(
        ["env", "--ignore-signal=INT", *command], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        try:
            os.close(theirs)
            shown = b""
            while shown.count(b"\033[H\033[2J") < 2:
                shown += os.read(ours, 65536)
            process.send_signal(signal.SIGINT)
            # A terminal that nobody reads would block it; EIO says that it has closed its side.
            with suppress(OSError):
                while os.read(ours, 65536):
                    pass
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    os.close(ours)
    assert b"1 source, " in shown


def test_watching_outlives_a_config_that_cannot_be_read(world: World) -> None:
    world.register()
    process = world.launch("--status", "--watch", "0.2", world.write(), name="watch")
    wait_until(lambda: "1 source, " in process.stdout, PATIENCE, "a report")
    moved = Path(f"{world.config}.away")
    world.config.rename(moved)
    wait_until(lambda: "Config file not found" in process.stdout, PATIENCE, "the complaint")
    moved.rename(world.config)
    before = process.stdout.count("1 source, ")
    wait_until(lambda: process.stdout.count("1 source, ") > before, PATIENCE, "a report")
    assert process.stop(signal.SIGINT) == 0
