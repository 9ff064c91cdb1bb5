"""The procedure of docs/taking-over.md: its commands, in the order of its steps."""

import sys
from contextlib import closing
from pathlib import Path

import testbed
from testbed.database import Database
from testbed.processes import Process, Processes, Result, run, script, write_ini
from tests.docs.pages import ROOT, inline_code
from tests.moving.pair import Pair

PAGE = (ROOT / "docs" / "taking-over.md").read_text()


def commands() -> list[str]:
    """What the steps enter."""
    # The steps are indented, which makes them no code.
    code = inline_code("\n".join(line.strip() for line in PAGE.splitlines()))
    return [words for words in code if words.startswith(("queue_mover3", "pgqadm.py"))]


def enter(folder: Path, command: str, config: str = "old.ini") -> Result:
    program, *words = command.replace("CONFIG", config).split()
    return run([script(program), *words], cwd=folder)


def test_taking_over_a_running_mover_and_back(
    source_db: Database, target_db: Database, tmp_path: Path
) -> None:
    with closing(Pair(source_db, target_db, tmp_path)) as pair, Processes() as processes:
        # given a target without our schema, and a legacy mover at work
        pair.target.execute("set client_min_messages = warning; drop schema queue_mover cascade")
        pair.source.execute("select pgq.register_consumer(%s, %s)", [pair.queue, pair.consumer])
        pair.ini("old", pidfile="old.pid", logfile="old.log")
        for name, database in (("source", source_db), ("target", target_db)):
            settings = {"db": database.conninfo(), "pidfile": f"{name}.pid"}
            write_ini(tmp_path / f"{name}.ini", "pgqadm", settings)
        legacy = [sys.executable, "-m", "testbed.legacy_mover", "old.ini"]
        env = {"PYTHONPATH": str(Path(testbed.__file__).parents[1])}
        with Process(legacy, tmp_path, name="legacy", env=env) as old:
            pair.produce(10)
            pair.wait_for(10)
            # when each step is done
            stop_old, install, status, start, ticker, stop = commands()
            enter(tmp_path, stop_old).check()
            assert old.wait() == 0
        pair.produce(10)
        enter(tmp_path, install, "target.ini").check()
        assert pair.consumer in enter(tmp_path, status, "source.ini").stdout
        enter(tmp_path, start).check()
        processes.adopt(tmp_path / "old.pid")
        enter(tmp_path, ticker, "source.ini").check()
        processes.adopt(tmp_path / "source.pid")
        # then it goes on where the old one ended
        pair.wait_for(20)
        # and back
        pid = int((tmp_path / "old.pid").read_text())
        enter(tmp_path, stop).check()
        processes.wait_for_end(pid)
        with Process(legacy, tmp_path, name="legacy", env=env):
            pair.produce(10)
            pair.wait_for(30)
        pair.assert_identical()
