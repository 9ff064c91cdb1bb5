"""pgqadm.py as an operator runs it: commands, switches, usage errors."""

from pathlib import Path

import psycopg
import pytest

from testbed.cluster import Cluster
from testbed.database import Database
from testbed.processes import Argument, Result, run, script, write_ini
from testbed.programs import pgq_version
from testbed.queues import create_queue, insert_event, tick


@pytest.fixture
def config(tmp_path: Path, source_db: Database) -> Path:
    """A config file for a database with PgQ."""
    return write_ini(tmp_path / "adm.ini", "pgqadm", {"db": source_db.conninfo()})


def pgqadm(*words: Argument) -> Result:
    """Run it to its end."""
    return run([script("pgqadm.py"), *words])


def told(*words: Argument) -> str:
    """What a command that succeeds prints; it complains about nothing."""
    result = pgqadm(*words).check()
    assert result.stderr == ""
    return result.stdout


def refused(*words: Argument, code: int = 1) -> str:
    """The one line of a command that fails, without the program's name."""
    result = pgqadm(*words)
    assert (result.returncode, result.stdout) == (code, "")
    line = result.stderr.splitlines()[-1]
    assert line.startswith("pgqadm: error: ") or result.stderr == f"{line}\n"
    assert "Traceback" not in result.stderr
    return line.removeprefix("pgqadm: ")


def test_a_queue_from_its_birth_to_its_end(config: Path) -> None:
    # The commands in the order in which an operator needs them.
    said = [
        told(config, *words.split())
        for words in (
            "create orders",
            "create orders",
            "register orders reader",
            "register orders reader",
            "config orders ticker_max_lag=1s",
            "unregister orders reader",
            "unregister orders reader",
            "drop orders",
        )
    ]
    assert said[:4] == [
        'queue "orders" created\n',
        'queue "orders" already exists\n',
        'consumer "reader" registered on queue "orders"\n',
        'consumer "reader" is already registered on queue "orders"\n',
    ]
    assert "ticker_max_lag" in said[4]
    assert "00:00:01" in said[4]
    assert 'consumer "reader"' in said[5]
    assert said[5] != said[6]
    assert said[7] == 'queue "orders" dropped\n'


def test_what_changes_something_leaves_a_line_in_the_log_file(
    tmp_path: Path, source_db: Database
) -> None:
    log = tmp_path / "adm.log"
    settings = {"db": source_db.conninfo(), "logfile": log}
    config = write_ini(tmp_path / "adm.ini", "pgqadm", settings)

    def logged(words: str) -> str:
        before = log.read_text() if log.exists() else ""
        told(config, *words.split())
        return log.read_text().removeprefix(before)

    for words, line in (
        ("create orders", 'create: queue "orders" created'),
        ("register orders reader", 'register: consumer "reader" registered on queue "orders"'),
        ("config orders ticker_max_count=7", "config: orders; "),
        (
            "unregister orders reader",
            'unregister: consumer "reader" unregistered from queue "orders"',
        ),
        ("drop orders", 'drop: queue "orders" dropped'),
    ):
        found = logged(words)
        assert f" INFO {line}" in found
        assert found.count("\n") == 1
    assert "ticker_max_count = 7 (was 500)" in log.read_text()
    assert logged("status") == logged("config") == ""


def test_a_warning_about_the_config_comes_once(tmp_path: Path, source_db: Database) -> None:
    log = tmp_path / "adm.log"
    settings = {"db": source_db.conninfo(), "logfile": log, "maint_dely": 5}
    config = write_ini(tmp_path / "adm.ini", "pgqadm", settings)

    said = pgqadm(config, "status").check().stderr

    assert said == (
        f"pgqadm: warning: {config}: maint_dely: unknown key, did you mean maint_delay?\n"
    )
    assert log.read_text() == ""
    assert "maint_dely" not in pgqadm("-s", config).check().stderr


def test_status_and_config_show_one_queue_or_all(config: Path, source: psycopg.Connection) -> None:
    assert "No queues." in told(config, "status")
    for name in ("orders", "users"):
        create_queue(source, name)
    source.execute("select pgq.register_consumer('orders', 'reader')")
    everything = told(config, "status")
    assert 'Database "' in everything
    assert all(word in everything for word in ("orders", "users", "reader", "no consumers"))
    one = told(config, "status", "orders")
    assert "orders" in one
    assert "users" not in one
    assert "users" in told(config, "config")
    assert "users" not in told(config, "config", "orders")


@pytest.mark.usefixtures("pgq_extension")
def test_install_on_an_empty_database(tmp_path: Path, source_cluster: Cluster) -> None:
    source_cluster.drop_database("bare")
    bare = source_cluster.create_database("bare")
    file = write_ini(tmp_path / "bare.ini", "pgqadm", {"db": bare.conninfo()})
    line = refused(file, "status", code=2)
    assert 'database "bare": PgQ is not installed; remedy: pgqadm.py CONFIG install' in line
    assert told(file, "install").splitlines() == [
        f"PgQ: installed as extension ({pgq_version()})",
        "pgq_ext: installed",
        "queue_mover: installed",
        "pgq is installed",
    ]
    assert told(file, "install").count("already installed") == 3
    assert "No queues." in told(file, "status")
    source_cluster.drop_database("bare")


USAGE = [
    ("", "need a command: config, create, drop, install, register, status, ticker, unregister"),
    ("destroy", 'no command "destroy"; commands: config, create, drop, install, '),
    ("install now", "usage: pgqadm.py CONFIG install"),
    ("status a b", "usage: pgqadm.py CONFIG status [QUEUE]"),
    ("create", "usage: pgqadm.py CONFIG create QUEUE"),
    ("create a b", "usage: pgqadm.py CONFIG create QUEUE"),
    ("drop", "usage: pgqadm.py CONFIG drop QUEUE"),
    ("register a", "usage: pgqadm.py CONFIG register QUEUE CONSUMER"),
    ("register a b c", "usage: pgqadm.py CONFIG register QUEUE CONSUMER"),
    ("unregister a", "usage: pgqadm.py CONFIG unregister QUEUE CONSUMER"),
    ("ticker now", "usage: pgqadm.py CONFIG ticker"),
    ("ticker_max_lag=3s", "remedy: pgqadm.py CONFIG config QUEUE ticker_max_lag=3s"),
    ("create q --json", "--json works only with the command status"),
    ("drop missing", 'queue "missing"'),
    ("register missing c", 'queue "missing"'),
    ("unregister missing c", 'queue "missing"'),
    ("status missing", 'queue "missing"'),
    ("config missing", 'queue "missing"'),
]


@pytest.mark.parametrize(("words", "line"), USAGE, ids=[row[0] or "nothing" for row in USAGE])
def test_usage_errors_take_one_line(config: Path, words: str, line: str) -> None:
    # status: could not look
    code = 2 if words.startswith("status") else 1
    assert line.replace("CONFIG", str(config)) in refused(config, *words.split(), code=code)


@pytest.mark.parametrize("assignment", ["ticker_max_lag", "colour=red", "rotation_period=soon"])
def test_config_refuses_what_it_cannot_set(
    config: Path, source: psycopg.Connection, assignment: str
) -> None:
    create_queue(source, "orders")
    before = told(config, "config", "orders")
    line = refused(config, "config", "orders", assignment)
    assert assignment.partition("=")[0] in line
    if assignment == "rotation_period=soon":
        assert 'remedy: pgqadm.py CONFIG config orders rotation_period="2 hours"' in line
    assert told(config, "config", "orders") == before


def test_without_a_config_file() -> None:
    line = refused()
    assert "remedy: pgqadm.py CONFIG COMMAND" in line
    assert "status" in line
    assert refused("/nowhere/adm.ini", "create", "q") == "Config file not found: /nowhere/adm.ini"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("status", "pgqadm.py CONFIG status [QUEUE], or pgqadm.py status --db CONNECT, or"
         " --movers MOVER.INI"),
        ("install", "pgqadm.py CONFIG install, or pgqadm.py install --db CONNECT, or"),
        ("ticker", "pgqadm.py CONFIG ticker"),
        ("create", "pgqadm.py CONFIG create QUEUE"),
        ("create orders", "pgqadm.py CONFIG create QUEUE"),
        ("status orders", "pgqadm.py CONFIG status [QUEUE], or"),
    ],
)  # fmt: skip
def test_a_command_without_a_config_file(words: str, remedy: str) -> None:
    command = words.split(maxsplit=1)[0]
    line = refused(*words.split(), code=2 if command == "status" else 1)
    assert line.startswith(f"{command} is a command and needs a config file before it; remedy: ")
    assert remedy in line


def test_a_movers_file_is_recognised(tmp_path: Path) -> None:
    file = write_ini(tmp_path / "mover.ini", "queue_mover3", {"src_db": "", "dst_db": ""})
    line = refused(file, "status", code=2)
    assert f"remedy: pgqadm.py status --movers {file}" in line
    assert f"remedy: pgqadm.py status --movers {file}" in refused(file, "create", "q")


def test_a_database_that_is_away(tmp_path: Path) -> None:
    file = write_ini(tmp_path / "adm.ini", "pgqadm", {"db": "host=127.0.0.1 port=1"})
    assert refused(file, "status", code=2).startswith("database not available: ")


@pytest.mark.parametrize("switch", ["--set=nothing", "--set==x", "--unheard-of", "--db=hunter2x"])
def test_bad_switches(config: Path, switch: str) -> None:
    line = refused(config, "status", switch, code=2)
    assert line.startswith("error: ")
    assert "hunter2x" not in line


def test_switches_in_any_place(config: Path, tmp_path: Path) -> None:
    wrong = write_ini(tmp_path / "wrong.ini", "pgqadm", {"db": "host=127.0.0.1 port=1"})
    setting = ["--set", f"db={config.read_text().partition('db = ')[2].strip()}"]
    orders: tuple[list[Argument], ...] = (
        [*setting, wrong, "create", "q"],
        [wrong, *setting, "create", "q"],
        [wrong, "create", *setting, "q"],
        [wrong, "create", "q", *setting],
    )
    for words in orders:
        assert 'queue "q"' in told(*words)


def test_a_name_in_another_encoding_is_refused(config: Path) -> None:
    for words in ([config, "create", "bl\udce5"], ["status", "--db", "dbname=bl\udce5"]):
        assert refused(*words, code=2).endswith(r"bl\udce5' is not valid UTF-8")


def test_a_sample_config_loads(source_db: Database, tmp_path: Path) -> None:
    sample = told("--ini", "--set", f"db={source_db.conninfo()}", "--set", "logfile=")
    assert "[pgqadm]" in sample
    assert "#maint_delay = 600" in sample
    file = tmp_path / "sample.ini"
    file.write_text(sample)
    assert "No queues." in told(file, "status")


def test_version_and_help() -> None:
    assert told("-V").startswith("pgqadm 4.")
    help_text = told("--help")
    assert all(word in help_text for word in ("ticker", "--movers", "status [QUEUE]", "-d"))


def test_drop_refuses_while_a_consumer_needs_the_queue(
    config: Path, source: psycopg.Connection
) -> None:
    create_queue(source, "new orders")
    source.execute("select pgq.register_consumer('new orders', 'reader')")
    insert_event(source, "new orders", "t", "d")
    tick(source, "new orders")
    line = refused(config, "drop", "new orders")
    assert 'queue "new orders" has consumers: ' in line
    assert "remedy: pgqadm.py CONFIG unregister 'new orders' CONSUMER" in line


def test_sending_a_signal_without_a_pidfile_or_process(config: Path, tmp_path: Path) -> None:
    result = pgqadm("-s", config).check()
    assert "No pidfile in config, nothing to do" in result.stderr
    result = pgqadm("-s", config, "--set", f"pidfile={tmp_path / 'a.pid'}")
    assert result.returncode == 1
    assert f"No pidfile {tmp_path / 'a.pid'}, process not running" in result.stderr
