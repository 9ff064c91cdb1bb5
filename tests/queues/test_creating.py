"""create_dst_queue: what is missing on the target."""

from psycopg import sql

from testbed.database import value
from testbed.queues import create_queue
from tests.queues.world import World

SETTINGS = {
    "ticker_max_count": "123",
    "ticker_max_lag": "00:00:04",
    "ticker_idle_period": "00:03:00",
    "rotation_period": "05:00:00",
}


def one_queue(world: World, source: str = "a", target: str = "%(queue)s") -> None:
    world.main |= {"queue_name": world.queue(source), "dst_queue_name": target}


def settings(world: World, queue: str) -> tuple[str, ...] | None:
    """The settings of a target queue, and whether it is ticked and writable."""
    columns = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(f"queue_{name}")) for name in SETTINGS
    )
    return world.target.execute(
        sql.SQL(
            "select {}, queue_ticker_paused::text, queue_disable_insert::text, "
            "queue_external_ticker::text from pgq.queue where queue_name = %s"
        ).format(columns),
        [queue],
    ).fetchone()


def test_one_queue_with_the_settings_of_its_source(world: World) -> None:
    # given a source queue with settings of its own, paused at the moment
    world.create("a", **SETTINGS)
    world.source.execute(
        "update pgq.queue set queue_ticker_paused = true where queue_name = %s", [world.queue("a")]
    )
    one_queue(world, target=world.queue("copy"))
    # when, then
    world.drain().check()
    assert settings(world, world.queue("copy")) == (*SETTINGS.values(), "false", "false", "false")
    line = f'INFO Created queue "{world.queue("copy")}" on the target, with the settings of queue'
    assert line in world.log
    # and the very first event counts for the ticker
    world.target.execute(
        "select pgq.insert_event(%s, 'type', 'data')", [world.queue("copy")]
    ).fetchone()
    seen = value(world.target, "select ev_new from pgq.get_queue_info(%s)", world.queue("copy"))
    assert seen == 1


def test_a_queue_that_exists_stays_as_it_is(world: World) -> None:
    world.create("a", **SETTINGS)
    create_queue(world.target, world.queue("a"), rotation_period="01:00:00")
    one_queue(world)
    before = settings(world, world.queue("a"))
    world.drain().check()
    assert settings(world, world.queue("a")) == before
    assert "Created" not in world.log


def test_without_the_key_a_missing_queue_is_an_error(world: World) -> None:
    world.create("a")
    world.main["create_dst_queue"] = "0"
    result = world.drain()
    assert result.returncode == 1
    assert f"remedy: pgqadm.py CONFIG create {world.queue('a')}" in result.stderr
    assert (world.consumers(), world.target_queues()) == (set(), set())


def test_a_role_that_may_not_create_is_told_its_grant(world: World) -> None:
    # given a role that may only insert, on the target
    world.create("a")
    role = sql.Identifier(f"{world.name}_writer")
    world.target.execute(sql.SQL("create role {} login").format(role))
    world.target.execute(sql.SQL("grant pgq_writer to {}").format(role))
    world.main |= {
        "dst_db": world.target_db.conninfo(user=f"{world.name}_writer"),
        "write_with": "insert_event",
    }
    # when, then nothing is written on either side, and the remedy helps
    result = world.drain()
    words = f'no queue "{world.queue("a")}", and role "{world.name}_writer" may not create it'
    assert result.returncode == 1
    assert f"{words}; remedy: GRANT pgq_admin TO " in result.stderr
    assert (world.consumers(), world.target_queues()) == (set(), set())
    checked = world.run("--check")
    assert words in checked.stdout
    world.target.execute(sql.SQL("grant pgq_admin to {}").format(role))
    world.drain().check()
    world.produce("a", 3)
    world.drain().check()
    assert world.count("a") == 3


def test_nothing_is_created_when_something_else_prevents_the_start(world: World) -> None:
    # given a consumer that may not register itself
    world.create("a", "b")
    world.main["auto_register"] = "0"
    refused = world.drain()
    assert (refused.returncode, world.target_queues()) == (1, set())
    # given a queue that would be left behind under another name
    world.main |= {"auto_register": "1"}
    one_queue(world)
    world.drain().check()
    world.target.execute("select pgq.drop_queue(%s)", [world.queue("a")])
    world.main["consumer_name"] = "renamed"
    refused = world.drain()
    assert f'"{world.name}" has, up to tick' in refused.stderr
    assert (refused.returncode, world.target_queues()) == (1, set())
    # given a registered consumer with a position of another queue
    del world.main["consumer_name"]
    one_queue(world, "b")
    world.source.execute("select pgq.register_consumer(%s, %s)", [world.queue("b"), world.name])
    refused = world.drain()
    assert "belongs to another source" in refused.stderr
    assert (refused.returncode, world.target_queues()) == (1, set())
    # given a bad interval
    world.run("--set", f"queue_name={world.queue('a')}", "--unregister").check()
    refused = world.drain("--set", "pgq_keep_lag=nonsense")
    assert (refused.returncode, world.target_queues()) == (1, set())


def test_many_movers_that_create_one_queue_at_once(world: World) -> None:
    """Those of one process, and two processes at once."""
    names = [f"n{number}" for number in range(6)]
    world.create(*names)
    world.main["dst_queue_name"] = world.queue("all")
    world.main["loop_delay"] = "0.05"
    first = world.start()
    second = world.start("--set", "pidfile=second.pid")
    world.registered(*names)
    for name in names:
        world.produce(name, 5)
    world.arrived("all", 30)
    assert (first.stop(), second.stop()) == (0, 0)
    assert "ERROR" not in world.log
    assert world.log.count("Created queue") == 1


def test_a_target_queue_that_is_dropped_under_a_mover_is_not_created_again(world: World) -> None:
    """Its readers would miss events without a word."""
    world.create("a")
    process = world.start()
    world.registered("a")
    world.produce("a", 1)
    world.arrived("a", 1)
    world.target.execute("select pgq.drop_queue(%s)", [world.queue("a")])
    world.produce("a", 1, first=2)
    world.logged(f'ERROR {world.queue("a")}: target database: no queue "{world.queue("a")}"')
    assert world.target_queues() == set()
    create_queue(world.target, world.queue("a"))
    world.arrived("a", 1)
    assert process.stop() == 0
