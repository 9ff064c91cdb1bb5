"""What a foreground run shows on a terminal."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.processes import run, script
from testbed.queues import create_queue
from tests.command.terminal import Terminal
from tests.command.world import PATIENCE, World

INT = b"\x03"

BAR = "━"
HEADER = re.compile(r"source +state +moved +backlog +time left +events/s +lag")
SUMMARY = re.compile(
    r"^moved (\d+) events? in (\d+) batch(?:es)?, [\d.]+ s, (\d+) failures?$",
    re.MULTILINE,
)


def on_terminal(
    world: World,
    *switches: str,
    environment: dict[str, str] | None = None,
    width: int = 120,
    **changes: object,
) -> Terminal:
    """The mover in the foreground of a terminal."""
    command: list[str | Path] = [script("queue_mover3"), *switches, world.write(**changes)]
    return Terminal(command, world.directory, environment=environment or {}, width=width)


def row(text: str, name: str) -> str:
    """The latest row of a source."""
    lines = re.findall(rf"^{name} .*$", text, re.MULTILINE)
    return lines[-1] if lines else ""


def clean(world: World) -> bool:
    """Whether the log file has nothing but log lines."""
    lines = world.log.splitlines()
    return all(re.match(r"\d{4}-\d\d-\d\d .* (INFO|WARNING|ERROR) ", x) for x in lines)


def test_a_run_on_a_terminal_shows_its_source_and_ends_with_a_summary(world: World) -> None:
    # given
    world.register()
    world.produce(7)
    with on_terminal(world) as terminal:
        # when the events have been moved
        world.wait_for_events(7)
        text = terminal.wait_for(
            lambda text: "7 in " in row(text, world.job), PATIENCE, "the last batch"
        )
        # then the table says so
        assert HEADER.search(text)
        terminal.wait_for(lambda text: " idle " in row(text, world.job), PATIENCE, "the state")
        # when it is interrupted
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
        # then the last line sums up
        found = SUMMARY.search(terminal.text)
        assert found
        assert found[1] == "7"
        assert found[3] == "0"
        assert terminal.text.rstrip().endswith(found[0])
        # and the cursor, hidden below a table, is back
        assert terminal.written.rindex("\x1b[?25h") > terminal.written.rindex("\x1b[?25l")
    # and the file has the log alone
    assert "stopped by SIGINT" in world.log
    assert "{count: 7, " in world.log
    assert clean(world)


def test_log_lines_scroll_above_the_table(world: World) -> None:
    with on_terminal(world) as terminal:
        terminal.wait_for(HEADER.search, PATIENCE, "the table")
        # when it logs something
        os.kill(terminal.pid, signal.SIGHUP)
        terminal.wait_for(lambda text: "Config reloaded" in text, PATIENCE, "the line")
        seen = len(terminal.text)
        # then the table comes again, and lines of the handler after the reload are whole
        terminal.wait_for(lambda text: HEADER.search(text, seen), PATIENCE, "the table")
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
        lines = terminal.text.splitlines()
    for words in ("Config reloaded", "ended with exit code 0: stopped by SIGINT"):
        assert [x for x in lines if re.fullmatch(rf"\d{{4}}-[^━]* INFO {words}", x)]
    assert clean(world)


@pytest.mark.parametrize(("switches", "shown"), [((), False), (("-v",), True)])
def test_statistics_lines_are_on_the_terminal_only_if_verbose(
    world: World, switches: tuple[str, ...], shown: bool
) -> None:
    world.register()
    world.produce(3)
    with on_terminal(world, *switches) as terminal:
        terminal.wait_for(lambda text: "3 in " in row(text, world.job), PATIENCE, "the first one")
        world.produce(4, first=4)
        world.logged("{count: 4, ")
        terminal.wait_for(lambda text: "4 in " in row(text, world.job), PATIENCE, "the batch")
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
        assert ("{count: 4, " in terminal.text) == shown


def test_progress_is_shown_inside_a_large_batch(world: World) -> None:
    """Given a batch that takes long, then its events are counted while it is copied."""
    # given a batch of many large events
    world.register()
    world.produce(1)
    world.drain()
    count = 50_000
    with world.source.transaction():
        world.source.execute(
            "select pgq.insert_event(%s, 'large', repeat('x', 1000)) from generate_series(1, %s)",
            [world.source_queue, count],
        )
    world.source.execute("select pgq.ticker(%s)", [world.source_queue])
    with on_terminal(world, max_batch_events=2 * count) as terminal:
        # when a part of it has been sent, and the target is stopped there
        terminal.wait_for(
            lambda _: world.target.execute(
                "select 1 from pg_stat_progress_copy where bytes_processed > 5000000"
            ).fetchone(),
            PATIENCE,
            "the copy",
        )
        pid = world.target.execute(
            "select pid from pg_stat_activity where application_name = %s and query ~ '^COPY'",
            [world.job],
        ).fetchone()
        assert pid
        os.kill(pid[0], signal.SIGSTOP)
        try:
            # then the row says how many
            found = terminal.wait_for(
                lambda text: re.search(r"/50.0k [1-9]\d?%", row(text, world.job)),
                PATIENCE,
                "the progress",
            )
            percent = re.findall(r"/50.0k (\d+)%", row(found, world.job))[0]
            # Nobody reads the target now: its backend may hold a lock of the server.
            assert 0 < int(percent) < 100
        finally:
            os.kill(pid[0], signal.SIGCONT)
        world.wait_for_events(count + 1)
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0


def test_a_backlog_has_a_bar_and_a_share(world: World) -> None:
    # given more events than one batch takes, and a target that is stalled
    world.register()
    for first in range(1, 401, 100):
        world.produce(100, first=first)
    with world.stalled(), on_terminal(world, max_batch_events=100) as terminal:
        # then they are the backlog, with the event numbers that a forced tick leaves out
        text = terminal.wait_for(
            lambda text: re.search(rf"{BAR} +0% +\d+ ", row(text, world.job)), PATIENCE, "the bar"
        )
        assert int(re.findall(rf"{BAR} +0% +(\d+) ", row(text, world.job))[0]) >= 400
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait(PATIENCE) == 128 + signal.SIGTERM
        assert SUMMARY.search(terminal.text)


def test_an_error_is_below_the_table_and_counted(world: World, target_cluster: Cluster) -> None:
    with on_terminal(world) as terminal:
        terminal.wait_for(HEADER.search, PATIENCE, "the table")
        target_cluster.stop("immediate")
        # Through a pooler it is missed only when it is needed.
        world.produce(1)
        try:
            terminal.wait_for(
                lambda text: " failing " in row(text, world.job), PATIENCE, "the state"
            )
            terminal.wait_for(
                lambda text: f"\n{world.job}: target database not available" in text,
                PATIENCE,
                "the error",
            )
        finally:
            target_cluster.start()
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
        found = SUMMARY.search(terminal.text)
        assert found
        assert int(found[3]) > 0


def test_many_sources_that_do_not_fit_are_summed_up(world: World) -> None:
    # given forty sources, of which only some fit
    with world.config.open("w") as file:
        settings = {k: v for k, v in world.settings.items() if k != "queue_name"}
        file.write("[queue_mover3]\n")
        file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        for number in range(40):
            queue = f"{world.source_queue}_{number}"
            create_queue(world.source, queue)
            file.write(f"[source:s{number:02}]\nqueue_name = {queue}\n")
    command: list[str | Path] = [script("queue_mover3"), world.config]
    with Terminal(command, world.directory, environment={}, width=80, height=24) as terminal:
        # then, once all have started, there is a sum, and no line is longer than the screen
        terminal.wait_for(lambda text: row(text, "40 sources"), PATIENCE, "the sum")
        text = terminal.wait_for(
            lambda text: re.search(
                r"^40 sources (.*\n)+\d+ more sources: \d+ \w+", text, re.MULTILINE
            ),
            PATIENCE,
            "the others",
        )
        assert all(len(x) <= 80 for x in text.splitlines() if " more sources: " in x)
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0


# Plain lines


@pytest.mark.parametrize(
    ("switches", "environment"),
    [
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
        ((), {"TERM": ""}),
        (("-q",), {}),
    ],
    ids=["no_color", "dumb", "no_term", "quiet"],
)
def test_plain_lines(world: World, switches: tuple[str, ...], environment: dict[str, str]) -> None:
    world.register()
    world.produce(3)
    with on_terminal(world, *switches, environment=environment) as terminal:
        world.wait_for_events(3)
        world.produce(4, first=4)
        world.wait_for_events(7)
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
        assert "\x1b" not in terminal.written
        assert not SUMMARY.search(terminal.text)
        lines = terminal.text.replace("^C", "").splitlines()
        assert [x for x in lines if x and not re.match(r"\d{4}-\d\d-\d\d ", x)] == []
        if not switches:
            assert "{count: 4, " in terminal.text


def test_no_terminal_gets_plain_lines(world: World) -> None:
    world.register()
    world.produce(3)
    process = world.start()
    world.wait_for_events(3)
    process.send(signal.SIGINT)
    assert process.wait() == 0
    assert "\x1b" not in process.stderr
    assert not SUMMARY.search(process.stderr)
    assert process.stdout == ""


def test_without_rich_there_are_plain_lines(world: World) -> None:
    """Given a rich that cannot be imported, then nothing is missed."""
    world.register()
    (world.directory / "rich").mkdir()
    (world.directory / "rich" / "__init__.py").write_text("raise ImportError('no rich here')\n")
    with on_terminal(world, environment={"PYTHONPATH": str(world.directory)}) as terminal:
        world.produce(3)
        world.wait_for_events(3)
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
        assert "\x1b" not in terminal.written
        assert "{count: 3, " in terminal.text


def test_an_error_of_the_display_ends_the_display_alone(world: World) -> None:
    """Given a rich that fails in the midst of it, then the mover goes on with plain lines."""
    (world.directory / "sitecustomize.py").write_text(
        "import sys, rich.live\n"
        "def update(*_, **__): raise RuntimeError('broken display')\n"
        "rich.live.Live.update = update\n"
    )
    world.register()
    with on_terminal(world, environment={"PYTHONPATH": str(world.directory)}) as terminal:
        terminal.wait_for(lambda text: "RuntimeError: broken display" in text, PATIENCE, "the line")
        world.produce(3)
        world.wait_for_events(3)
        terminal.wait_for(lambda text: "{count: 3, " in text, PATIENCE, "plain lines")
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
    assert clean(world)


def test_a_stopped_terminal_does_not_stop_the_mover(world: World) -> None:
    """Given ^S, then events are moved all the same, and so is the end reached."""
    world.register()
    with on_terminal(world) as terminal:
        terminal.wait_for(HEADER.search, PATIENCE, "the table")
        terminal.press(b"\x13")
        for first in range(1, 201, 20):
            world.produce(20, first=first)
        world.wait_for_events(200)
        terminal.press(b"\x11")
        terminal.press(INT)
        assert terminal.wait(PATIENCE) == 0
        assert SUMMARY.search(terminal.text)


def test_a_mover_in_the_shells_background_writes_plain_lines(world: World) -> None:
    """Given a terminal that belongs to another process group, then there is no table on it."""
    leader = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:], process_group=0)\n"
        "sys.exit(child.wait())\n"
    )
    mover: list[str | Path] = [script("queue_mover3"), world.write()]
    command = [sys.executable, "-c", leader, *mover]
    world.register()
    with Terminal(command, world.directory, environment={}) as terminal:
        world.produce(3)
        world.wait_for_events(3)
        terminal.wait_for(lambda text: "{count: 3, " in text, PATIENCE, "the line")
        run([script("queue_mover3"), "-s", world.config], cwd=world.directory).check()
        assert terminal.wait(PATIENCE) == 0
        assert "\x1b" not in terminal.written
        assert not HEADER.search(terminal.text)


def test_what_is_not_used_is_not_loaded(world: World) -> None:
    """Given no terminal, then neither rich nor the display is imported."""
    code = (
        "import sys\n"
        "from queue_mover.cli.start import queue_mover3\n"
        "queue_mover3()\n"
        "found = [m for m in sys.modules if m.split('.')[0] == 'rich' or 'terminal.' in m]\n"
        "sys.exit(repr(found) if found else 0)\n"
    )
    world.register()
    config = world.write(loop_delay=0)
    run([sys.executable, "-c", code, config], cwd=world.directory, timeout=PATIENCE).check()
