"""Switches, and what each of them prints and returns."""

import re
import shutil
from pathlib import Path

import pytest

from queue_mover import __version__
from testbed.processes import Result, run, script
from testbed.queues import create_queue
from tests.command.world import World


def queue_mover3(*arguments: str | Path) -> Result:
    return run([script("queue_mover3"), *arguments])


@pytest.mark.parametrize("switch", ["-h", "--help"])
def test_help_names_every_switch(switch: str) -> None:
    result = queue_mover3(switch).check()
    for word in (
        *("-h", "-V", "-q", "-v", "-d", "--ini", "--set KEY=VALUE", "-r", "-s", "-k"),
        *("--register", "--unregister", "--rewind", "--reset", "config.ini"),
    ):
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?!\w)", result.stdout), word
    assert result.stderr == ""


@pytest.mark.parametrize("switch", ["-V", "--version"])
def test_version(switch: str) -> None:
    first, *others = queue_mover3(switch).check().stdout.splitlines()
    assert first == f"queue_mover3 {__version__}"
    assert re.fullmatch(
        r"runs on Python 3\.\d+\.\S+, psycopg 3\.\d+\S* \(\w+\), libpq \d+\.\d+\n"
        r"works with PostgreSQL 11 or later and PgQ 3, or PostgreSQL 14 or later and PgQue\n"
        r"installs version 4\.0 of the schemas pgq_ext and queue_mover",
        "\n".join(others),
    )


@pytest.mark.parametrize("name", ["queue_mover", "queue_mover.py", "queue_mover3.py"])
def test_all_commands_are_the_same(name: str) -> None:
    assert run([script(name), "-V"]).check().stdout == queue_mover3("-V").stdout


def test_a_queue_mover_py_of_skytools_beside_it_does_no_harm(tmp_path: Path) -> None:
    """Python looks for modules beside a script first: it must not take that for the package."""
    beside = shutil.copy(script("queue_mover3"), tmp_path)
    (tmp_path / "queue_mover.py").write_text("print 'this is Python 2'\n")
    assert run([beside, "-V"]).check().stdout == queue_mover3("-V").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["--set", "loop_delay"],
        ["--set", "=5"],
        ["-r", "-s"],
        ["--register", "--reset"],
        ["one.ini", "-s", "--register"],
        ["one.ini", "-r", "--rewind"],
        ["one.ini", "-d", "--register"],
        ["one.ini", "-d", "--accept-source"],
        ["one.ini", "-d", "-k"],
        ["--ini", "-s"],
        ["--ini", "--reset"],
        ["--ini", "-d"],
        ["one.ini", "two.ini"],
    ],
    ids=" ".join,
)
def test_a_bad_option_returns_2(arguments: list[str]) -> None:
    result = queue_mover3(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: queue_mover3")
    assert "Traceback" not in result.stderr


def test_no_config_file_returns_1() -> None:
    result = queue_mover3()
    assert result.returncode == 1
    assert result.stderr == (
        "queue_mover3: need config file: queue_mover3 CONFIG.INI runs it,"
        " queue_mover3 --ini prints a sample, queue_mover3 --help lists all switches\n"
    )


@pytest.mark.parametrize("away", ["full", "closed"])
def test_output_that_cannot_be_written_is_told_in_one_line(away: str) -> None:
    program = [script("queue_mover3"), "--ini"]
    words = {"full": '"$@" >/dev/full', "closed": '{ sleep 0.5; "$@"; echo $? >&2; } | true'}
    result = run(["bash", "-c", words[away], "sh", *program])
    line = "queue_mover3: cannot write the output: "
    if away == "full":
        assert result.stderr == f"{line}No space left on device\n"
        assert result.returncode == 1
    else:
        assert result.stderr == f"{line}Broken pipe\n1\n"


def test_ini_needs_no_file() -> None:
    result = queue_mover3("--ini").check()
    assert result.stdout.startswith("[queue_mover3]\n")
    assert "\nsrc_db =\n" in result.stdout
    assert result.stderr == ""


def test_ini_merges_set(tmp_path: Path) -> None:
    values = ["--set", "loop_delay=7", "--set", "queue_name = orders"]
    sample = queue_mover3("--ini", *values).check().stdout
    assert "\nloop_delay = 7\n" in sample
    assert "\nqueue_name = orders\n" in sample


def test_ini_makes_a_file_that_works(world: World) -> None:
    """Given a sample filled in by --set, when it is run, then it moves the queue."""
    world.register()
    world.produce(3)
    values = [f"--set={key}={value}" for key, value in world.settings.items()]
    sample = queue_mover3(
        "--ini", *values, "--set=loop_delay=0", f"--set=job_name={world.job}"
    ).check()
    made = world.directory / "made.ini"
    made.write_text(sample.stdout)
    queue_mover3(made).check()
    assert world.identical()


def test_switches_stand_before_or_after_the_file(world: World) -> None:
    world.register()
    config = world.write(loop_delay=0)
    orders: list[list[str | Path]] = [
        [config, "-q"],
        ["-q", config],
        ["--set", "loop_delay=-1", config, "-q"],
    ]
    for number, arguments in enumerate(orders, 1):
        world.produce(2)
        assert queue_mover3(*arguments).check().stderr == ""
        assert world.arrived() == 2 * number


def test_set_overrides_the_file(world: World) -> None:
    create_queue(world.target, "elsewhere")
    world.register()
    world.produce(2)
    world.drain(
        "--set", "dst_queue_name=elsewhere", "--set", f"DST_QUEUE_NAME = {world.target_queue}"
    ).check()
    assert world.arrived() == 2


def test_set_of_a_wrong_value(world: World) -> None:
    result = world.run("--set", "loop_delay=soon")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"queue_mover3: {world.config}: loop_delay: 'soon' is not")


LEVELS = [
    ([], {"INFO"}),
    (["-q"], set()),
    (["-v"], {"INFO", "DEBUG"}),
    (["-vv"], {"INFO", "DEBUG"}),
    (["-v", "-v"], {"INFO", "DEBUG"}),
    (["-q", "-v"], {"INFO", "DEBUG"}),
]


@pytest.mark.parametrize(("switches", "levels"), LEVELS, ids=[" ".join(row[0]) for row in LEVELS])
def test_how_much_is_logged(world: World, switches: list[str], levels: set[str]) -> None:
    world.register()
    world.produce(1)
    result = world.drain(*switches).check()
    assert set(re.findall(r" (DEBUG|INFO|WARNING|ERROR|TRACE) ", result.stderr)) == levels


def test_everything_is_more_than_verbose(world: World) -> None:
    world.register()
    world.produce(1)
    verbose = world.drain("-v").check().stderr
    world.produce(1)
    assert len(world.drain("-vv").check().stderr) > len(verbose)


def test_help_and_manual_say_that_event_ids_are_new() -> None:
    words = "Events get new numbers (ev_id) from the target queue"
    assert words in " ".join(queue_mover3("--help").check().stdout.split())
    page = (Path(__file__).parents[2] / "man" / "queue_mover3.1").read_text()
    assert "keep_event_id = 1" in " ".join(page.split())


@pytest.mark.parametrize("delay", ["0", "0.0", "-1"])
def test_without_looping_it_ends_by_itself(world: World, delay: str) -> None:
    """0: when drained. Negative: after one batch."""
    world.register()
    for _ in range(3):
        world.produce(2)
    result = world.run(loop_delay=delay, max_batch_events=0).check()
    assert world.arrived() == (2 if delay == "-1" else 6)
    assert result.stderr.count("{count: 2, ") == world.arrived() / 2
    assert not world.pidfile.exists()
    assert world.finished() is (delay != "-1")


def test_with_nothing_to_do_it_ends_too(world: World) -> None:
    world.register()
    assert world.drain("-q").check().stderr == ""
    assert world.run("-q", loop_delay=-1).check().stderr == ""
