"""--source: some of the sources, for running and for each switch."""

import pytest

from testbed.database import value
from testbed.queues import last_tick
from tests.sources.many import Many


def last_seen(many: Many, name: str) -> int:
    """The position of a source's consumer on the source."""
    source = many.sources[name]
    found = value(
        source.conn,
        "select last_tick from pgq.get_consumer_info(%s, %s)",
        source.queue,
        many.consumer(name),
    )
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["shard1"], ["shard1"]),
        (["shard[02]"], ["shard0", "shard2"]),
        (["*"], ["shard0", "shard1", "shard2"]),
        (["shard2", "*d0"], ["shard0", "shard2"]),
        (["shard?", "shard1"], ["shard0", "shard1", "shard2"]),
    ],
    ids=str,
)
def test_only_the_chosen_ones_run(many: Many, patterns: list[str], chosen: list[str]) -> None:
    many.register()
    many.produce(2)
    many.drain(*[f"--source={pattern}" for pattern in patterns]).check()
    assert sorted(many.arrived()) == chosen
    many.assert_identical(*chosen)


@pytest.mark.parametrize("patterns", [["shard9"], ["shard0", "nothing*"], ["SHARD0"]], ids=str)
@pytest.mark.parametrize("switch", ["--quiet", "--register"])
def test_an_unknown_source_is_refused_with_the_known_ones(
    many: Many, patterns: list[str], switch: str
) -> None:
    result = many.drain(switch, *[f"--source={pattern}" for pattern in patterns])
    assert result.returncode == 1
    assert result.stderr == (
        f"queue_mover3: --source {patterns[-1]}: no such source;"
        " the file has: shard0, shard1, shard2\n"
    )
    assert many.consumers("shard0") == set()


@pytest.mark.parametrize("switch", ["-r", "-s", "-k"])
def test_a_signal_is_for_all(many: Many, switch: str) -> None:
    process = many.start()
    result = many.run(switch, "--source", "shard1")
    assert result.returncode == 1
    assert "--source cannot be used with -r, -s or -k" in result.stderr
    assert process.running


def test_source_in_a_file_without_sections(many: Many) -> None:
    many.main["src_db"] = many.sources["shard0"].database.conninfo()
    many.sections.clear()
    result = many.drain("--source", "shard0")
    assert result.returncode == 1
    assert "--source shard0: no such source; the file has: none" in result.stderr


def test_a_reload_keeps_the_choice(many: Many) -> None:
    # given one of three
    process = many.launch("--source", "shard1")
    many.registered("shard1")
    # when
    many.reload(process)
    many.produce(3)
    # then
    many.wait_for(shard1=3)
    assert process.stop() == 0
    assert many.arrived() == {"shard1": 3}
    assert many.consumers("shard0") == set()


def test_register_and_unregister(many: Many) -> None:
    many.run("--register", "--source", "shard[01]").check()
    assert [bool(many.consumers(name)) for name in many.sources] == [True, True, False]
    many.run("--register").check()
    assert all(many.consumers(name) for name in many.sources)
    many.produce(2)
    many.drain().check()
    # when
    many.run("--unregister", "--source", "shard1", "--source", "*2").check()
    # then registration and position of those are gone
    assert [bool(many.consumers(name)) for name in many.sources] == [True, False, False]
    assert set(many.positions()) == {"shard0"}


def test_rewind(many: Many) -> None:
    # given consumers that have been set back on their sources
    many.register()
    first = {name: last_seen(many, name) for name in many.sources}
    many.produce(2)
    many.drain().check()
    for name, source in many.sources.items():
        source.conn.execute(
            "select pgq.register_consumer_at(%s, %s, %s)",
            [source.queue, many.consumer(name), first[name]],
        )
    # when
    many.run("--rewind", "--source", "shard0", "--source", "shard2").check()
    # then
    expected = {
        name: first[name] if name == "shard1" else last_tick(source.conn, source.queue)
        for name, source in many.sources.items()
    }
    assert {name: last_seen(many, name) for name in many.sources} == expected


def test_reset(many: Many) -> None:
    many.register()
    many.produce(2)
    many.drain().check()
    many.run("--reset", "--source", "shard1").check()
    assert set(many.positions()) == {"shard0", "shard2"}
    many.run("--reset").check()
    assert many.positions() == {}


@pytest.mark.parametrize("switch", ["--register", "--unregister", "--rewind", "--reset"])
def test_one_that_fails_keeps_none_of_the_others_from_it(many: Many, switch: str) -> None:
    # given one that cannot be reached, in the middle, and two that can be worked on
    if switch != "--register":
        many.register("shard0", "shard2")
        for name in ("shard0", "shard2"):
            many.sources[name].produce(1)
        many.drain("--source", "shard[02]").check()
    many.section("shard1")["src_db"] = "host=127.0.0.1 port=1"
    before = many.log
    # when
    result = many.run(switch)
    # then it is named, the others are done, and the exit code tells
    told = many.log.removeprefix(before)
    assert result.returncode == 1
    assert " ERROR shard1: source database not available: " in told
    assert "Traceback" not in result.stderr
    for name in ("shard0", "shard2"):
        assert f" INFO {name}: " in told
        assert many.errors(name) == []
