"""A signal that comes while the program still imports is obeyed, whatever was ignored before."""

import signal
from pathlib import Path

import pytest

from testbed.processes import Process, run, script, wait_until
from tests.command.world import PATIENCE, World

SLOW = """
import pathlib, sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "psycopg":
            sys.meta_path.remove(self)
            here = pathlib.Path(__file__).parent
            (here / "importing").touch()
            while not (here / "go").exists():
                time.sleep(0.01)

sys.meta_path.insert(0, Slow())
"""
"""A sitecustomize that holds up the import of the driver until a file is there."""

NOHUP_AND_BACKGROUND = (signal.SIGINT, signal.SIGHUP)


def signalled_while_importing(
    tmp_path: Path, number: signal.Signals, *words: str | Path, name: str = "queue_mover3"
) -> Process:
    """A process that was given a signal in the midst of its imports, and may go on."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(SLOW)
    process = Process(
        [script(name), *words],
        tmp_path,
        env={"PYTHONPATH": str(hook)},
        ignoring=NOHUP_AND_BACKGROUND,
    )
    wait_until((hook / "importing").exists, PATIENCE, "the import of the driver")
    process.send(number)
    (hook / "go").touch()
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_mover_that_is_told_to_stop_before_it_can_hear_does_nothing(
    world: World, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    # given a start with INT and HUP ignored, as from nohup or a script's "&"
    process = signalled_while_importing(tmp_path, number, world.write())
    # then it stops at once, says so, and has touched nothing
    assert process.wait() == code
    assert f" INFO ended with exit code {code}: stopped by {number.name}" in world.log
    assert world.consumer() is None
    assert not world.pidfile.exists()


def test_int_that_is_ignored_by_the_parent_is_obeyed_later_too(
    world: World, tmp_path: Path
) -> None:
    world.register()
    config = world.write()
    with Process([script("queue_mover3"), config], tmp_path, ignoring=[signal.SIGINT]) as process:
        world.produce(2)
        world.wait_for_events(2)
        assert process.stop() == 0


def test_hup_before_it_can_hear_is_a_reload(world: World, tmp_path: Path) -> None:
    world.register()
    process = signalled_while_importing(tmp_path, signal.SIGHUP, world.write())
    world.logged("Config reloaded")
    world.produce(2)
    world.wait_for_events(2)
    assert process.stop() == 0
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("words", [["--ini"], ["--register", "x.ini"]])
def test_term_ends_a_command_that_still_imports(tmp_path: Path, words: list[str]) -> None:
    process = signalled_while_importing(tmp_path, signal.SIGTERM, *words)
    assert process.wait() == -signal.SIGTERM
    assert process.stderr == ""


def test_a_command_ignores_what_its_parent_ignores(tmp_path: Path) -> None:
    """nohup means it: a command has nothing that it must leave in order."""
    process = signalled_while_importing(tmp_path, signal.SIGHUP, "--ini")
    assert process.wait() == 0
    assert process.stdout.startswith("[queue_mover3]")


def test_int_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    hook = tmp_path / "psycopg.py"
    hook.write_text(
        "import importlib, os, signal, sys\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.path.remove(os.path.dirname(__file__))\n"
        "del sys.modules['psycopg']\n"
        "sys.modules['psycopg'] = importlib.import_module('psycopg')\n"
    )
    result = run([script("queue_mover3"), "--ini"], env={"PYTHONPATH": str(tmp_path)})
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
