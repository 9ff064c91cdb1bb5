"""Source sections: a mover each, with what the main section has and they do not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from queue_mover.config.loading import load_mover
from queue_mover.config.settings import MoverSettings
from queue_mover.errors import ConfigError
from testbed.ini import ini_text
from testbed.log_lines import news
from testbed.queues import create_queue
from tests.sources.many import Many
from tests.sources.texts import statistics

MAIN = {
    "job_name": "job",
    "dst_db": "dbname=central",
    "queue_name": "queue",
    "dst_queue_name": "all",
}
A = {"src_db": "dbname=a"}
B = {"src_db": "dbname=b"}


def load(path: Path, sections: dict[str, dict[str, str]]) -> dict[str, MoverSettings]:
    """The movers of a file, by the names of their sources."""
    file = path / "mover.ini"
    file.write_text(ini_text(sections))
    return {mover.source: mover for mover in load_mover(file, {}).movers}


def test_a_file_without_sections_works_as_before(many: Many) -> None:
    # given a file as it was written for fifteen years
    source = many.sources["shard0"]
    many.sections.clear()
    many.main["src_db"] = source.database.conninfo()
    source.conn.execute("select pgq.register_consumer(%s, %s)", [many.queue, many.job])
    source.produce(5)
    # when
    result = many.drain().check()
    # then consumer and lines are what they were
    assert many.consumers("shard0") == {many.job}
    assert " INFO {count: 5, duration: " in result.stderr
    assert "source" not in "".join(news(result.stderr)).replace("source queue", "")
    many.assert_identical("shard0")


def test_each_section_moves_its_database(many: Many) -> None:
    many.register()
    for count, source in enumerate(many.sources.values(), 4):
        source.produce(count)
    many.drain().check()
    assert many.arrived() == {"shard0": 4, "shard1": 5, "shard2": 6}
    assert statistics(many.log) == many.arrived()
    assert set(many.positions()) == set(many.sources)
    assert all(many.finished(name) for name in many.sources)
    many.assert_identical()


def test_the_consumer_is_named_after_job_and_source(many: Many) -> None:
    many.drain().check()
    for name in many.sources:
        assert many.consumers(name) == {f"{many.job}.{name}"}


def test_sections_override_what_differs(many: Many) -> None:
    # given a queue, a target queue, a consumer and a filter of its own
    other = many.add("other", many.sources["shard0"].database, f"{many.queue}_other")
    create_queue(many.target, f"{many.target_queue}_other")
    many.section("other").update(
        dst_queue_name=f"{many.target_queue}_other",
        consumer_name="%(job_name)s-of-%(source)s",
        table_filter="t0, t2",
    )
    many.drain().check()
    assert many.consumers("other") == {f"{many.job}-of-other"}
    # when
    other.produce(9)
    many.sources["shard0"].produce(9)
    many.drain().check()
    # then
    assert many.arrived() == {"shard0": 9}
    assert many.arrived(f"{many.target_queue}_other") == {"other": 6}


def test_several_queues_of_one_database(many: Many) -> None:
    many.crowd(3)
    many.leave_out("shard0", "shard1", "shard2")
    many.drain().check()
    for number, name in enumerate(("extra0", "extra1", "extra2"), 3):
        many.sources[name].produce(number)
    many.drain().check()
    many.assert_identical("extra0", "extra1", "extra2")


Reader = Callable[[MoverSettings], object]

KEYS: list[tuple[str, str, Reader, object]] = [
    ("max_batch_events", "7", lambda m: m.limits.max_events, 7),
    ("pgq_batch_collect_events", "8", lambda m: m.limits.min_events, 8),
    ("pgq_batch_collect_interval", "9 s", lambda m: m.limits.min_interval, "9 s"),
    ("pgq_keep_lag", "1 min", lambda m: m.limits.keep_lag, "1 min"),
    ("loop_delay", "0.5", lambda m: m.process.loop_delay, 0.5),
    ("exception_sleep", "3", lambda m: m.process.exception_sleep, 3.0),
    ("connection_lifetime", "60", lambda m: m.process.connection_lifetime, 60.0),
    ("keepalive_stats", "60", lambda m: m.process.keepalive_stats, 60.0),
    ("queue_name", "mine", lambda m: m.route.queue, "mine"),
    ("pgq_queue_name", "mine", lambda m: m.route.queue, "mine"),
    ("dst_queue_name", "mine", lambda m: m.route.target_queue, "mine"),
    ("consumer_name", "c.%(source)s", lambda m: m.route.consumer, "c.a"),
    ("table_filter", "x, s.y", lambda m: m.route.tables, ("public.x", "s.y")),
    ("on_bad_event", "quarantine", lambda m: m.policy.quarantine, True),
    ("auto_register", "0", lambda m: m.policy.auto_register, False),
    ("dst_db", "dbname=elsewhere", lambda m: m.dst_db, "dbname=elsewhere"),
]


@pytest.mark.parametrize(("key", "text", "read", "expected"), KEYS, ids=[row[0] for row in KEYS])
def test_each_key_is_inherited_and_overridden(
    tmp_path: Path, key: str, text: str, read: Reader, expected: object
) -> None:
    # when one source sets it, then it alone has it
    movers = load(tmp_path, {"queue_mover3": MAIN, "source:a": {**A, key: text}, "source:b": B})
    assert read(movers["a"]) == expected
    assert read(movers["b"]) != expected
    # when the main section sets it, then both have it
    movers = load(tmp_path, {"queue_mover3": {**MAIN, key: text}, "source:a": A, "source:b": B})
    assert read(movers["a"]) == expected
    assert read(movers["b"]) == ("c.b" if key == "consumer_name" else expected)


@pytest.mark.parametrize("key", ["queue_name", "pgq_queue_name"])
@pytest.mark.parametrize("written", ["queue_name", "pgq_queue_name"])
def test_the_command_line_wins_in_every_section(tmp_path: Path, key: str, written: str) -> None:
    # given a queue in the main section and another in one of the others, in either spelling
    main = {**MAIN, written: "main's"}
    del main["queue_name" if written != "queue_name" else "job_name"]
    file = tmp_path / "mover.ini"
    file.write_text(
        ini_text({"queue_mover3": main, "source:a": {**A, written: "its own"}, "source:b": B})
    )
    # when the switch --set names one, in either spelling
    movers = load_mover(file, {key: "wanted", "loop_delay": "0"}).movers
    # then
    assert [m.route.queue for m in movers] == ["wanted", "wanted"]
    assert [m.process.loop_delay for m in movers] == [0, 0]


def test_source_is_a_variable_in_the_main_section(tmp_path: Path) -> None:
    main = {**MAIN, "src_db": "host=%(source)s.example dbname=app", "queue_name": "q_%(source)s"}
    movers = load(tmp_path, {"queue_mover3": main, "source:a": {}, "source:b": {}})
    assert [m.src_db for m in movers.values()] == [
        "host=a.example dbname=app",
        "host=b.example dbname=app",
    ]
    assert [m.route.queue for m in movers.values()] == ["q_a", "q_b"]


def test_an_override_wins_over_the_older_spelling_in_the_main_section(tmp_path: Path) -> None:
    """Given an old file, when sources are added to it in new words, then those count."""
    main = {**MAIN, "pgq_queue_name": "old"}
    del main["queue_name"]
    movers = load(
        tmp_path, {"queue_mover3": main, "source:a": {**A, "queue_name": "mine"}, "source:b": B}
    )
    assert movers["b"].route.queue == "old"
    assert movers["a"].route.queue == "mine"


def test_the_main_section_wins_over_default(tmp_path: Path) -> None:
    """Given a key in [DEFAULT] and in the main section, then a source inherits the latter."""
    movers = load(
        tmp_path,
        {"DEFAULT": {"queue_name": "general"}, "queue_mover3": MAIN, "source:a": A},
    )
    assert movers["a"].route.queue == MAIN["queue_name"]


def test_a_blank_behind_the_colon_does_not_matter(tmp_path: Path) -> None:
    movers = load(tmp_path, {"queue_mover3": MAIN, "source: a": {**A, "queue_name": "mine"}})
    assert movers["a"].route.queue == "mine"


REFUSED: list[tuple[dict[str, str], dict[str, dict[str, str]], str]] = [
    (
        {"consumer_name": "shared"},
        {"source:a": A, "source:b": B},
        'consumer_name: sources a and b would share the consumer "shared" on one target',
    ),
    (
        {},
        {"source:a": A, "source:b": {**B, "consumer_name": "job.a"}},
        'sources a and b would share the consumer "job.a"',
    ),
    (
        {"table_filter": "x, y"},
        {"source:a": A, "source:b": B, "source:c": {**A, "table_filter": "z, public.y"}},
        'sources a and c would both move the events of queue "queue" in the same database',
    ),
    ({}, {"source:a": A, "source:b": {**A, "table_filter": "x"}}, "would both move the events"),
    ({}, {"source:a": A, "source:": B}, "[source:]: a source needs a name"),
    ({}, {"source:a": A, "source:b": {}}, "src_db: missing from [source:b]"),
    (
        {},
        {"source:a": A, "source:b": {**B, "loop_delay": "soon"}},
        "[source:b]: loop_delay: 'soon'",
    ),
    ({}, {"source:a": A, "source:b": {"src_db": "x"}}, "[source:b]: src_db: not a connect string"),
    (
        {},
        {"source:a": {**A, "queue_name": "a%b"}},
        "[source:a]: queue_name: cannot be interpolated",
    ),
    (
        {},
        {"source:a": A, "source:b": {"src_db": "dbname=a application_name=b"}},
        "sources a and b would both move the events",
    ),
    (
        {},
        {"source:a": {"src_db": "service=a"}, "source:b": {"src_db": "service=a user=b"}},
        "sources a and b would both move the events",
    ),
    ({"dst_connections": "0"}, {"source:a": A}, "dst_connections: '0' is not a whole number"),
]


@pytest.mark.parametrize(("main", "sections", "told"), REFUSED, ids=[row[2] for row in REFUSED])
def test_what_cannot_work_is_refused(
    tmp_path: Path, main: dict[str, str], sections: dict[str, dict[str, str]], told: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, {"queue_mover3": {**MAIN, **main}, **sections})
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_name_of_a_source_is_not_known_to_the_main_section(tmp_path: Path) -> None:
    """Given no source at all, then a value that needs its name cannot be."""
    main = {**MAIN, "src_db": "dbname=%(source)s"}
    with pytest.raises(
        ConfigError, match=r"src_db: .* known in \[source:NAME\] sections only; remedy: "
    ):
        load(tmp_path, {"queue_mover3": main})


@pytest.mark.parametrize("name", ["Source:b", "source b", "sourc:b", "SOURCES:b", "sources:b"])
def test_a_misspelt_section_is_told(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mover.ini"
    file.write_text(
        ini_text({"queue_mover3": MAIN, "source:a": A, name: B, "hosts": {}, "pgqadm": {}})
    )
    settings = load_mover(file, {})
    assert [mover.source for mover in settings.movers] == ["a"]
    told = f"{file}: [{name}]: unknown section, did you mean [source:NAME]?"
    assert settings.warnings == (told,)


def test_one_queue_in_parts(tmp_path: Path) -> None:
    """Other tables, or another target queue: no event comes twice to the same place."""
    sections = {
        "queue_mover3": MAIN,
        "source:a": {**A, "table_filter": "x, y"},
        "source:b": {**A, "table_filter": "z"},
        "source:c": {**A, "dst_queue_name": "other"},
        "source:d": {**A, "queue_name": "another"},
    }
    assert list(load(tmp_path, sections)) == ["a", "b", "c", "d"]


def test_each_service_of_a_service_file_is_a_database(tmp_path: Path) -> None:
    sections = {f"source:{name}": {"src_db": f"service={name}"} for name in "ab"}
    main = {**MAIN, "dst_db": "service=central"}
    movers = load(tmp_path, {"queue_mover3": main, **sections})
    assert movers["a"].route_key != movers["b"].route_key


def test_one_consumer_name_for_two_targets(tmp_path: Path) -> None:
    """Two positions in two databases have nothing to do with each other."""
    main = {**MAIN, "consumer_name": "shared"}
    elsewhere = {**B, "dst_db": "dbname=elsewhere"}
    movers = load(tmp_path, {"queue_mover3": main, "source:a": A, "source:b": elsewhere})
    assert {m.route.consumer for m in movers.values()} == {"shared"}


def test_a_shared_consumer_is_refused_by_the_program(many: Many) -> None:
    many.main["consumer_name"] = "shared"
    result = many.run()
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "sources shard0 and shard1 would share the consumer" in result.stderr
    assert "%(source)s" in result.stderr


def test_an_unknown_key_is_told_once_with_its_section(tmp_path: Path) -> None:
    file = tmp_path / "mover.ini"
    main = {**MAIN, "dst_conections": "3"}
    file.write_text(
        ini_text({"queue_mover3": main, "source:a": {**A, "queue_nam": "x"}, "source:b": B})
    )
    notes = [note.removeprefix(f"{file}: ") for note in load_mover(file, {}).warnings]
    assert notes == [
        "dst_conections: unknown key, did you mean dst_connections?",
        "[source:a]: queue_nam: unknown key, did you mean queue_name?",
    ]
