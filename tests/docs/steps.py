"""What the tests do around the lines of a page: the given, the waiting, the outcome."""

import re
import shutil

from psycopg import Connection

from testbed.database import value
from testbed.processes import wait_until
from tests.admin.pgque import pgque_file
from tests.docs.pages import ROOT
from tests.docs.terminal import PATIENCE, Terminal

OPERATIONS = ROOT / "docs" / "operations.md"
SHARDS = [f"shard{n}" for n in range(10)]


def _wait_for(terminal: Terminal, database: str, query: str, what: str) -> None:
    """Wait until a query's single value is true."""

    def true() -> bool:
        with terminal.cluster.connect(database) as conn:
            row = conn.execute(query.encode()).fetchone()
        return bool(row and row[0])

    wait_until(true, PATIENCE, what, 0.2)


# README.md


def two_empty_databases(terminal: Terminal) -> None:
    terminal.create_database("app")
    terminal.create_database("central")


def wait_for_the_event(terminal: Terminal) -> None:
    """The tickers wait some seconds."""
    _wait_for(terminal, "central", "select count(*) = 1 from pgq.event_1", "the event")


def start_the_tickers(terminal: Terminal) -> None:
    """The quick start has stopped everything; in daily work they run."""
    wait_until(lambda: not terminal.daemons(), PATIENCE, "the end of all daemons")
    assert list(terminal.folder.glob("*.pid")) == []
    for name in ("app", "central"):
        terminal.enter(f"pgqadm.py -d {name}.ini ticker")


def quick_start_has_worked(terminal: Terminal) -> None:
    said = {command: result.stdout for command, result in terminal.said.items()}
    assert re.search(r" INFO \{count: 1, duration: ", said["tail mover.log"])
    select = next(text for command, text in said.items() if "ev_data from" in command)
    assert re.search(r"greeting +\| hello\n-*\(1 row\)", select)
    status = said["pgqadm.py central.ini status"]
    assert "all_events" in status
    assert "reader" in status
    with terminal.cluster.connect("central") as conn:
        assert read_all(conn, "all_events", "reader") == ["hello"]


def read_all(conn: Connection, queue: str, consumer: str) -> list[str]:
    """The data of the events in all batches that wait for a consumer."""
    data = list[str]()
    while True:
        batch = value(conn, "select pgq.next_batch(%s, %s)", queue, consumer)
        if batch is None:
            return data
        data += [
            event
            for (event,) in conn.execute("select ev_data from pgq.get_batch_events(%s)", [batch])
        ]
        conn.execute("select pgq.finish_batch(%s)", [batch])


# event-ids.md


def two_queues_with_tickers(terminal: Terminal) -> None:
    two_empty_databases(terminal)
    for name, queue in (("app", "app_events"), ("central", "all_events")):
        terminal.write(f"{name}.ini", f"[pgqadm]\ndb = dbname={name}\npidfile = {name}.pid\n")
        for words in ("install", f"create {queue}"):
            terminal.enter(f"pgqadm.py {name}.ini {words}")
        terminal.enter(f"pgqadm.py -d {name}.ini ticker")
    # The target has other numbers.
    with terminal.cluster.connect("app") as conn:
        conn.execute("select pgq.force_tick('app_events')")


def the_mover_is_registered(terminal: Terminal) -> None:
    _wait_for(terminal, "app", "select count(*) = 1 from pgq.subscription", "the registration")


def the_ids_are_the_same(terminal: Terminal) -> None:
    found = []
    for name in ("app", "central"):
        with terminal.cluster.connect(name) as conn:
            found.append(conn.execute("select ev_id, ev_data from pgq.event_1").fetchall())
    assert found[0] == found[1] != []


# CONTRIBUTING.md


def in_the_clone(terminal: Terminal) -> None:
    terminal.enter(f"cd '{ROOT}'")


# consolidation.md and scaling.md


def ten_shards(terminal: Terminal) -> None:
    """Ten databases, the one in the middle, and the one that knows the ten."""
    for shard in SHARDS:
        terminal.create_database("app", shard)
    terminal.create_database("central", "central")
    ops = terminal.create_database("ops", "catalogue")
    with terminal.cluster.connect(ops) as conn:
        conn.execute("create table partitions (name text, connect_string text, active bool)")
        conn.cursor().executemany(
            "insert into partitions values (%s, %s, true)",
            [(shard, terminal.here(f"host={shard} dbname=app")) for shard in SHARDS],
        )


def move_an_event_of_each_shard(terminal: Terminal) -> None:
    """By the mover that the page has started, and the pgqd."""
    registered = "select exists (select from pgq.subscription)"
    for shard in SHARDS:
        _wait_for(terminal, f"app_at_{shard}", registered, f"the consumer on {shard}")
        with terminal.cluster.connect(f"app_at_{shard}") as conn:
            conn.execute("select pgq.insert_event('eventlog', 'test', %s)", [shard])
    arrived = "select count(*) = 10 from pgq.event_1"
    _wait_for(terminal, "central_at_central", arrived, "an event from each shard")


def every_shard_is_in_the_table(terminal: Terminal) -> None:
    table = terminal.said["pgqadm.py status --movers movers.ini"].stdout
    assert [shard for shard in SHARDS if not re.search(rf"\b{shard}\b", table)] == []


def ten_shards_ready_to_move(terminal: Terminal) -> None:
    """What consolidation.md has led to."""
    ten_shards(terminal)
    terminal.write(
        "movers.ini",
        "[queue_mover3]\njob_name = events_to_central\ndst_db = host=central dbname=central\n"
        "queue_name = eventlog\ndst_queue_name = all_events\npidfile = movers.pid\n",
    )
    for shard in SHARDS:
        terminal.write("movers.ini", f"[source:{shard}]\nsrc_db = host={shard} dbname=app\n")
    terminal.enter("pgqadm.py --movers movers.ini install")
    terminal.write("admin.ini", "[pgqadm]\ndb = dbname=postgres")
    for shard in SHARDS:
        at = f"--set 'db=host={shard} dbname=app'"
        terminal.enter(f"pgqadm.py admin.ini {at} create eventlog")
    terminal.enter("pgqadm.py admin.ini --set 'db=host=central dbname=central' create all_events")


def each_half_runs(terminal: Terminal) -> None:
    """Two processes, all sources between them."""
    assert len(terminal.daemons()) == 2
    for shard in SHARDS:
        registered = f"select consumer_name like '%.{shard}' from pgq.get_consumer_info()"
        _wait_for(terminal, f"app_at_{shard}", registered, f"the consumer on {shard}")


# lag.md


def a_mover_that_was_started(terminal: Terminal) -> None:
    """And has registered."""
    terminal.write("admin.ini", "[pgqadm]\ndb = dbname=postgres")
    for name, queue in (("app", "app_events"), ("central", "all_events")):
        terminal.create_database(name)
        terminal.enter(f"pgqadm.py admin.ini --set db=dbname={name} install")
        terminal.enter(f"pgqadm.py admin.ini --set db=dbname={name} create {queue}")
    terminal.write(
        "mover.ini",
        "[queue_mover3]\nsrc_db = dbname=app\ndst_db = dbname=central\n"
        "queue_name = app_events\ndst_queue_name = all_events\npidfile = mover.pid\n",
    )
    terminal.enter("queue_mover3 -d mover.ini")
    _wait_for(terminal, "app", "select exists (select from pgq.subscription)", "the consumer")


def nothing_is_slow(terminal: Terminal) -> None:
    (table,) = (said.stdout for command, said in terminal.said.items() if "--status" in command)
    assert " here " in table
    assert "Slow: " not in table


# splitting.md


def an_app_and_a_batch_database(terminal: Terminal) -> None:
    terminal.create_database("app")
    terminal.create_database("batch")


def wait_for_both_queues(terminal: Terminal) -> None:
    for table in ("event_1", "event_2"):
        _wait_for(terminal, "batch", f"select count(*) > 0 from pgq.{table}", f"pgq.{table}")


def each_event_is_in_its_queue(terminal: Terminal) -> None:
    """Those of the example, and the one that the old file's splitter has moved."""
    insert = "select pgq.insert_event('app_events', 'I', %s, %s, null, null, null)"
    with terminal.cluster.connect("app") as conn:
        conn.execute(insert, ["id=3", "public.orders"])
    _wait_for(terminal, "batch", "select count(*) = 2 from pgq.event_1", "an event for orders")
    with terminal.cluster.connect("batch") as conn:
        found = [
            [data for (data,) in conn.execute(f"select ev_data from pgq.event_{n} order by ev_id")]
            for n in (1, 2)
        ]
    assert found == [["id=1", "id=3"], ["id=2"]]


# pgque.md


def pgque_and_pgq(terminal: Terminal) -> None:
    """PgQue in one database, PgQ in the other, and a role that may write to the target."""
    pgque_at_hand(terminal)
    terminal.write("admin.ini", "[pgqadm]\ndb = dbname=app\npgque_sql = pgque.sql")
    terminal.enter("pgqadm.py admin.ini --set flavour=pgque install")
    terminal.enter("pgqadm.py admin.ini create orders")
    terminal.enter("pgqadm.py admin.ini config orders ticker_idle_period=1us ticker_max_lag=1us")
    terminal.enter("pgqadm.py admin.ini --set db=dbname=central --set flavour=pgq install")
    terminal.enter("pgqadm.py admin.ini --set db=dbname=central create all_orders")
    with terminal.cluster.connect() as conn:
        conn.execute("create role mover login; grant pgq_admin to mover")


def an_order_waits(terminal: Terminal) -> None:
    """For the consumer that the check has registered."""
    with terminal.cluster.connect("app") as conn:
        conn.execute("select pgque.insert_event('orders', 'order', 'of the page')")
        conn.execute("select pgque.ticker('orders')")


def the_order_has_moved(terminal: Terminal) -> None:
    first, second = (
        result.stdout for command, result in terminal.said.items() if "--check" in command
    )
    assert "GRANT pgque_reader TO" in first
    assert "something is missing" in first
    assert "may not read batches" not in second
    assert re.search(r"PgQue \S+ on the source, PgQ 3\S* on the target", second)
    arrived = "select count(*) = 1 from pgq.event_1 where ev_data = 'of the page'"
    _wait_for(terminal, "central", arrived, "the event")


# pgque-pgqadm.md


def pgque_at_hand(terminal: Terminal) -> None:
    """Its file, and two empty databases."""
    shutil.copy(pgque_file(), terminal.folder / "pgque.sql")
    two_empty_databases(terminal)


def pgque_has_been_shown(terminal: Terminal) -> None:
    said = {command: result.stdout for command, result in terminal.said.items()}
    assert said["pgqadm.py app.ini install"].startswith("PgQue: installed from pgque.sql (")
    (movers,) = (text for command, text in said.items() if "--movers" in command)
    assert movers.count("already installed (") == 1
    assert movers.count("PgQ: installed as extension") == 1
    titles = re.findall(r"^Database .* (PgQ|PgQue) [0-9.]", said[BOTH], re.MULTILINE)
    assert titles == ["PgQ", "PgQue"]
    wait_until(lambda: not terminal.daemons(), PATIENCE, "the end of the ticker")
    log = (terminal.folder / "ticker.log").read_text()
    assert " ERROR " not in log
    assert " INFO ticking PgQue\n" in log


BOTH = "pgqadm.py app.ini --set flavour= status"
# queues.md


def several_queues(terminal: Terminal) -> None:
    """On the source only."""
    terminal.write("admin.ini", "[pgqadm]\ndb = dbname=postgres")
    for name in ("app", "central"):
        terminal.create_database(name)
        terminal.enter(f"pgqadm.py admin.ini --set db=dbname={name} install")
    for queue in ("orders", "payments_eu", "payments_us", "payments_test"):
        terminal.enter(f"pgqadm.py admin.ini --set db=dbname=app create {queue}")


def wait_for_all_queues(terminal: Terminal) -> None:
    """All that are moved are on the target."""
    _wait_for(terminal, "central", "select count(*) = 3 from pgq.queue", "the queues")
    _wait_for(terminal, "app", "select count(*) = 3 from pgq.subscription", "the consumers")


def each_queue_is_in_the_status(terminal: Terminal) -> None:
    (table,) = (said.stdout for command, said in terminal.said.items() if "--status" in command)
    assert re.findall(r"^ *(payments_\w+)", table, re.MULTILINE)[:2] == [
        "payments_eu",
        "payments_us",
    ]


# operations.md

HOSTS = {"app": "db1", "central": "db2"}


def two_databases_for_mover(terminal: Terminal) -> None:
    """With a queue in each, and a role that has what "Roles and grants" gives it."""
    grants = re.findall(
        r"^\| (?:source|target) \| `(GRANT \w+ TO mover)`", OPERATIONS.read_text(), re.MULTILINE
    )
    with terminal.cluster.connect() as conn:
        conn.execute("create role mover login")
    terminal.write("admin.ini", "[pgqadm]\ndb = dbname=postgres")
    queues = ("app_events", "all_events")
    for (name, host), queue, grant in zip(HOSTS.items(), queues, grants, strict=True):
        database = terminal.create_database(name, host)
        admin = f"pgqadm.py admin.ini --set 'db=host={host} dbname={name}'"
        terminal.enter(f"{admin} install")
        terminal.enter(f"{admin} create {queue}")
        with terminal.cluster.connect(database) as conn:
            conn.execute(grant.encode())


def a_queue_for_new_events(terminal: Terminal) -> None:
    """On the source only."""
    terminal.enter("pgqadm.py admin.ini --set 'db=host=db1 dbname=app' create orders")


def the_check_has_helped(terminal: Terminal) -> None:
    said = {command: result.stdout for command, result in terminal.said.items()}
    before = said['queue_mover3 --check new.ini || echo "exit code $?"']
    assert "FAILURE  queues" in before
    assert before.endswith("exit code 1\n")
    assert "done     create queue" in said["queue_mover3 --check --fix new.ini"]
    assert said["queue_mover3 --check new.ini"].endswith("; 0 failures, 0 warnings.\n")


def move_an_event(terminal: Terminal) -> None:
    """Through PgBouncer, by the mover that the page has started."""
    app, central = (f"{name}_at_{host}" for name, host in HOSTS.items())
    _wait_for(terminal, app, "select exists (select from pgq.subscription)", "the consumer")
    with terminal.cluster.connect(app) as conn:
        conn.execute("select pgq.insert_event('app_events', 'test', 'pooled')")
        conn.execute("select pgq.force_tick('app_events')")
        conn.execute("select pgq.ticker()")
    _wait_for(terminal, central, "select count(*) = 1 from pgq.event_1", "the event")
