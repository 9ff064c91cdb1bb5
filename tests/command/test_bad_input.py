"""What is wrong is told in one line that names it and the remedy: no traceback, exit code 1."""

from collections.abc import Callable

import pytest

from testbed.database import Database
from testbed.log_lines import news
from testbed.processes import run, script
from testbed.queues import create_queue
from tests.command.world import PATIENCE, World

Change = object | Callable[[World], object]


def told(result_stderr: str) -> str:
    """The one line, without what stands in front of each line of the log."""
    (line,) = news(result_stderr)
    return (line.partition(" ERROR ")[2] or line.partition("queue_mover3: ")[2]) + "\n"


CONNECT = "not a connect string; write key=value pairs"

IN_THE_FILE: dict[str, tuple[dict[str, object], str]] = {
    "no src_db": ({"src_db": None}, "src_db: missing from [queue_mover3]; it is the source"),
    "no dst_db": ({"dst_db": None}, "dst_db: missing from [queue_mover3]; it is the target"),
    "no queue_name": ({"queue_name": None}, "queue_name: missing from [queue_mover3]; it is the"),
    "no dst_queue_name": ({"dst_queue_name": ""}, "dst_queue_name: empty in [queue_mover3]; it is"),
    "loop_delay": ({"loop_delay": "soon"}, "loop_delay: 'soon' is not a number"),
    "log_size": ({"log_size": "1 MB"}, "log_size: '1 MB' is not a whole number"),
    "auto_register": ({"auto_register": "maybe"}, "auto_register: 'maybe' is not 0 or 1"),
    "src_db": ({"src_db": "host=db1 password=hun ter2secret"}, f"src_db: {CONNECT}"),
    "dst_db": ({"dst_db": "postgresql://me:hunter2secret@[db1/x"}, f"dst_db: {CONNECT}"),
    "timeout": ({"src_db": "connect_timeout=soon"}, "src_db: connect_timeout in it is not a whole"),
    "reference": (
        {"queue_name": "%(nothing)s"},
        "queue_name: cannot be interpolated: it refers to a key",
    ),
    "format": ({"config_format": 3}, "config_format: must be 1 or 2, not '3'"),
}


@pytest.mark.parametrize("case", IN_THE_FILE)
def test_in_the_file(world: World, case: str) -> None:
    changes, words = IN_THE_FILE[case]
    result = world.run(**changes)
    assert result.returncode == 1
    assert result.stdout == ""
    assert told(result.stderr).startswith(f"{world.config}: {words}")
    assert "ter2secret" not in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "Config file not found: {path}"),
        ("", "{path}: no section [queue_mover3]"),
        (
            "[pgqadm]\ndb = dbname=x\n",
            "{path}: no section [queue_mover3]; it is pgqadm's file; remedy: pgqadm.py {path}"
            " COMMAND; queue_mover3 --ini prints a sample for a mover",
        ),
        ("src_db = password=hunter2secret\n", "{path}: line 1: before any [section]"),
        ("[queue_mover3]\npassword hunter2secret\n", "{path}: line 2: not of the form key = value"),
    ],
)
def test_the_file_itself(world: World, text: str | None, words: str) -> None:
    if text is not None:
        world.config.write_text(text)
    result = run([script("queue_mover3"), world.config], timeout=PATIENCE)
    assert result.returncode == 1
    assert told(result.stderr) == words.format(path=world.config) + "\n"


def no_pgq(world: World) -> str:
    return world.source_db.conninfo(dbname="postgres")


INSTALL = "is not installed; remedy: pgqadm.py CONFIG install"

IN_THE_DATABASES: dict[str, tuple[dict[str, Change], str]] = {
    "no PgQ on the source": ({"src_db": no_pgq}, f"source database: PgQ 3 {INSTALL}"),
    "no PgQ on the target": ({"dst_db": no_pgq}, f"target database: PgQ {INSTALL}"),
    "no pgq_ext on the target": (
        {"dst_db": lambda world: world.source_db.conninfo()},
        f"target database: pgq_ext {INSTALL}",
    ),
    "no queue on the source": (
        {"queue_name": "no queue"},
        "source database: no queue \"no queue\"; remedy: pgqadm.py CONFIG create 'no queue'",
    ),
    "no queue on the target": (
        {"dst_queue_name": "it's"},
        """target database: no queue "it's"; remedy: pgqadm.py CONFIG create 'it'"'"'s'""",
    ),
    "not registered": (
        {"auto_register": 0, "consumer_name": "stranger"},
        'consumer "stranger" is not registered on queue "{source_queue}" and auto_register is off;'
        " remedy: --register",
    ),
}


@pytest.mark.parametrize("loop_delay", ["0.05", "0"], ids=["looping", "not looping"])
@pytest.mark.parametrize("case", IN_THE_DATABASES)
def test_in_the_databases(world: World, case: str, loop_delay: str) -> None:
    changes, words = IN_THE_DATABASES[case]
    values = {key: value(world) if callable(value) else value for key, value in changes.items()}
    result = world.run(**values, loop_delay=loop_delay)
    assert result.returncode == 1
    assert told(result.stderr) == words.format(source_queue=world.source_queue) + "\n"
    assert not world.pidfile.exists()


def test_inserts_disabled(world: World) -> None:
    """Given a disabled queue, when the remedy is run as it is told, then events move."""
    world.register()
    world.produce(2)
    world.target.execute(
        "update pgq.queue set queue_disable_insert = true where queue_name = %s",
        [world.target_queue],
    )
    result = world.drain()
    assert result.returncode == 1
    said = told(result.stderr)
    start = f'target database: inserts into queue "{world.target_queue}" are disabled; remedy: '
    assert said.startswith(start)
    world.target.execute(said.removeprefix(start).encode())
    world.drain().check()
    assert world.identical()


def test_a_position_without_a_registration(world: World) -> None:
    world.target.execute("select pgq_ext.set_last_tick(%s, 1)", [world.job])
    result = world.run()
    assert result.returncode == 1
    assert told(result.stderr) == (
        f'consumer "{world.job}" is not registered on queue "{world.source_queue}", yet the target'
        " has its position, tick 1; remedy: --rewind resumes from there,"
        " --register starts again at the newest tick\n"
    )
    assert world.consumer() is None


@pytest.mark.parametrize("remedy", ["--rewind", "--reset"])
@pytest.mark.parametrize("loop_delay", ["0.05", "0"], ids=["looping", "not looping"])
def test_a_lost_position(world: World, loop_delay: str, remedy: str) -> None:
    """Given a position that fits neither end, then it stops; each remedy it names helps."""
    world.register()
    world.produce(2)
    world.drain(max_batch_events=0).check()
    old = world.position()
    for number in (3, 5):
        world.produce(2, first=number)
        world.drain(max_batch_events=0).check()
    world.target.execute("select pgq_ext.set_last_tick(%s, %s)", [world.job, old])
    world.produce(2, first=7)
    result = world.run(loop_delay=loop_delay)
    assert result.returncode == 1
    (error,) = [line for line in result.stderr.splitlines() if " ERROR " in line]
    said = told(error)
    assert said.startswith("Lost position: batch ")
    assert f"..{world.active_end()}, dst has {old}; remedy: " in said
    assert remedy in said
    assert world.arrived() == 6
    world.run(remedy).check()
    world.drain().check()
    # From the target's old position two batches come again; from the source's none does.
    assert world.arrived() == (12 if remedy == "--rewind" else 8)


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(
    ("conninfo", "words"),
    [("host=127.0.0.1 port=1", "Connection refused"), ("dbname={missing}", "does not exist")],
)
def test_an_unreachable_database(world: World, side: str, conninfo: str, words: str) -> None:
    """Not looping: exit 1. Looping: retried until stopped."""
    database: Database = getattr(world, f"{side}_db")
    where = conninfo
    if "{missing}" in conninfo:
        where = database.conninfo(dbname="no_such_database")
    key = {"source": "src_db", "target": "dst_db"}[side]
    result = world.drain(**{key: where})
    assert result.returncode == 1
    assert told(result.stderr).startswith(f"{side} database not available: ")
    assert words in result.stderr
    process = world.launch(world.write(**{key: where}))
    process.wait_for_output(f"{side} database not available: ")
    assert process.running
    assert process.stop() == 0


def test_what_is_taken_away_later_is_waited_for(world: World) -> None:
    """Given a mover that has worked, when the queue is dropped and comes back, it goes on."""
    process = world.start(exception_sleep=0.1)
    world.produce(2)
    world.wait_for_events(2)
    world.target.execute("select pgq.drop_queue(%s, true)", [world.target_queue])
    world.produce(3, first=3)
    world.logged(f'ERROR target database: no queue "{world.target_queue}"')
    create_queue(world.target, world.target_queue)
    world.wait_for_events(3)
    assert process.stop() == 0
    assert "Traceback" not in world.log
