"""systemd learns over its socket when the program is ready, reloads, stops, and that it lives."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from queue_mover.service.service_manager import describe
from queue_mover.system import notify
from testbed.ini import write_sections
from testbed.processes import Process, run, script, write_ini
from tests.command.manager import Manager
from tests.command.world import World

FEED = 0.2
"""Seconds between two messages to a watchdog of twice that."""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(str(tmp_path / "notify")) as made:
        yield made


Start = Callable[..., Process]


@pytest.fixture
def start(world: World, manager: Manager) -> Iterator[Start]:
    """Starts the mover as a service of the manager."""
    with contextlib.ExitStack() as stack:

        def started(
            *switches: str, env: dict[str, str] | None = None, **changes: object
        ) -> Process:
            argv = [script("queue_mover3"), *switches, str(world.write(**changes))]
            environment = {**manager.environment, **(env or {})}
            process = Process(argv, world.directory, name="mover", env=environment)
            return stack.enter_context(process)

        yield started


def watched() -> dict[str, str]:
    return {"WATCHDOG_USEC": str(int(2 * FEED * 1e6))}


@pytest.mark.parametrize("address", ["notify", "@queue_mover_test_{pid}"])
def test_ready_when_the_mover_works(world: World, address: str) -> None:
    place = address.format(pid=os.getpid())
    if not place.startswith("@"):
        place = str(world.directory / place)
    with Manager(place) as manager:
        argv = [script("queue_mover3"), str(world.write())]
        with Process(argv, world.directory, env=manager.environment) as process:
            # when
            manager.wait_for("READY", "1")
            # then
            assert world.consumer() is not None
            assert process.stop() == 0


def test_never_ready_when_it_cannot_work(world: World, manager: Manager, start: Start) -> None:
    process = start(queue_name="no_such_queue")
    assert process.wait() == 1
    assert [message for message in manager.drain() if "READY" in message] == []


def test_ready_while_it_waits_for_a_server(manager: Manager, start: Start) -> None:
    """The program retries by itself: systemd need not wait, nor start it again."""
    start(src_db="host=127.0.0.1 port=1 dbname=nowhere")
    assert manager.wait_for("STATUS")["STATUS"].startswith("failing")
    manager.wait_for("READY", "1")


def test_the_status_says_what_it_does(world: World, manager: Manager, start: Start) -> None:
    start()
    assert manager.wait_for("STATUS")["STATUS"] == "0 events moved"
    manager.wait_for("READY")
    world.produce(3)
    assert manager.wait_for("STATUS", "3 events")["STATUS"] == "3 events moved"


def test_the_status_of_many_sources(world: World, manager: Manager) -> None:
    settings = {key: value for key, value in world.settings.items() if key != "src_db"}
    sections = {
        "queue_mover3": settings,
        "source:one": {"src_db": world.settings["src_db"]},
        "source:two": {"src_db": world.settings["src_db"], "queue_name": "no_such_queue"},
    }
    config = write_sections(world.config, sections)
    argv = [script("queue_mover3"), str(config)]
    with Process(argv, world.directory, env=manager.environment):
        manager.wait_for("STATUS", "1 stopped")


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"sources": 1, "failing": 0, "stopped": 0, "events": 7}, "7 events moved"),
        ({"sources": 1, "failing": 1, "stopped": 0, "events": 7}, "failing, 7 events moved"),
        ({"sources": 1, "failing": 0, "stopped": 0, "events": None}, "running"),
        ({"sources": 0, "failing": 0, "stopped": 1, "events": 0}, "stopped, 0 events moved"),
        ({"sources": 0, "failing": 0, "stopped": 0, "events": None}, "no source is running"),
        (
            {"sources": 10, "failing": 2, "stopped": 1, "events": 7},
            "10 sources, 2 failing, 1 stopped, 7 events moved",
        ),
    ],
)
def test_the_status_line(counts: dict[str, int], text: str) -> None:
    assert describe(**counts) == text


# Reload


def test_a_reload_begins_and_ends(manager: Manager, start: Start) -> None:
    process = start()
    manager.wait_for("READY")
    before = time.monotonic_ns() // 1000
    # when
    process.send(signal.SIGHUP)
    # then, which is what Type=notify-reload needs
    message = manager.wait_for("RELOADING", "1")
    assert before <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    manager.wait_for("READY", "1")
    assert process.stop() == 0


def test_a_rejected_reload_ends_too_and_is_in_the_status(
    world: World, manager: Manager, start: Start
) -> None:
    process = start()
    manager.wait_for("READY")
    world.write(loop_delay="fast")
    process.send(signal.SIGHUP)
    manager.wait_for("RELOADING")
    manager.wait_for("STATUS", "last reload rejected, see the log")
    manager.wait_for("READY")
    # when it is corrected
    world.write()
    process.send(signal.SIGHUP)
    assert "rejected" not in manager.wait_for("STATUS")["STATUS"]


# Stop


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_stop_is_announced(
    world: World, manager: Manager, start: Start, number: signal.Signals, code: int
) -> None:
    """Given a batch that takes its time, INT is announced while it still runs."""
    with world.stalled():
        world.produce(1)
        process = start()
        world.wait_for_stall()
        process.send(number)
        manager.wait_for("STOPPING", "1")
        assert process.running or number == signal.SIGTERM
    assert process.wait() == code


def test_the_end_of_a_drained_mover_is_announced(
    world: World, manager: Manager, start: Start
) -> None:
    world.register()
    world.produce(2)
    assert start(loop_delay=0).wait() == 0
    kinds = [next(iter(message)) for message in manager.drain()]
    assert [kind for kind in kinds if kind != "STATUS"] == ["READY", "STOPPING"]
    assert manager.received[-1] == {"STATUS": "stopping: 2 events moved"}


# Watchdog


def test_the_watchdog_is_fed_at_half_its_time(manager: Manager, start: Start) -> None:
    start(env=watched())
    manager.wait_for("READY")
    times = []
    for _ in range(5):
        manager.wait_for("WATCHDOG", "1")
        times.append(time.monotonic())
    assert times[-1] - times[0] >= 3 * FEED


def test_a_watchdog_of_another_process_is_not_fed(manager: Manager, start: Start) -> None:
    start(env=watched() | {"WATCHDOG_PID": "1"})
    manager.wait_for("READY")
    time.sleep(3 * FEED)
    assert [message for message in manager.drain() if "WATCHDOG" in message] == []


def test_a_hung_main_thread_is_not_fed(world: World, manager: Manager) -> None:
    """Given a stderr that nobody reads, a line about a reload makes the main thread wait."""
    fifo = world.directory / "stderr"
    os.mkfifo(fifo)
    end = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    argv = ["sh", "-c", f"exec {script('queue_mover3')} {world.write(logfile=None)} 2>{fifo}"]
    environment = manager.environment | watched()
    with Process(argv, world.directory, name="mover", env=environment) as process:
        # A slow start feeds the watchdog too, and reports no reload.
        manager.wait_for("READY")
        manager.wait_for("WATCHDOG")
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(end, b"." * 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(end, b".")
        process.send(signal.SIGHUP)
        manager.wait_for("RELOADING")
        manager.drain()
        # when
        time.sleep(5 * FEED)
        # then
        assert [message for message in manager.drain() if "WATCHDOG" in message] == []
        # and when it can go on
        os.read(end, 1 << 20)
        manager.wait_for("WATCHDOG")
    os.close(end)


def test_a_worker_that_waits_for_its_server_does_not_starve_the_watchdog(
    world: World, manager: Manager, start: Start
) -> None:
    with world.stalled():
        world.produce(1)
        start(env=watched())
        world.wait_for_stall()
        manager.drain()
        for _ in range(3):
            manager.wait_for("WATCHDOG")


# The environment


def test_nothing_without_the_variable() -> None:
    notifier = notify.from_environment({"WATCHDOG_USEC": "1000000"})
    assert not notifier.active
    assert notifier.watchdog == 0
    notifier.ready()


def test_the_variables_do_not_reach_children(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"NOTIFY_SOCKET": "/run/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    for name, text in names.items():
        monkeypatch.setenv(name, text)
    assert notify.from_environment().active
    inherited = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert [name for name in names if f"{name}=" in inherited] == []


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative", "/no/such/socket", "@nobody"])
def test_an_address_where_nobody_is_does_no_harm(world: World, address: str) -> None:
    world.register()
    world.produce(2)
    command = [script("queue_mover3"), str(world.write(loop_delay=0))]
    run(command, cwd=world.directory, env={"NOTIFY_SOCKET": address}).check()
    assert world.identical()


def test_the_status_is_one_line_and_not_repeated(manager: Manager) -> None:
    notifier = notify.Notifier(manager.environment["NOTIFY_SOCKET"])
    notifier.status("one\ntwo")
    notifier.status("one two")
    assert manager.drain() == [{"STATUS": "one two"}]


def test_the_ticker_notifies_too(world: World, manager: Manager) -> None:
    config = write_ini(world.directory / "ticker.ini", "pgqadm", {"db": world.source_db.conninfo()})
    argv = [script("pgqadm.py"), str(config), "ticker"]
    with Process(argv, world.directory, env=manager.environment) as process:
        assert manager.wait_for("STATUS")["STATUS"] == "running"
        manager.wait_for("READY")
        assert process.stop() == 0
        manager.wait_for("STOPPING")
