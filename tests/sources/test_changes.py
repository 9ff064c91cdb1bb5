"""HUP: sources come, go and change, and the rest do not notice."""

import signal

import pytest

from tests.sources.many import Many


def move_one_more(many: Many, *names: str) -> None:
    """Each of these sources moves one more event."""
    arrived = many.arrived()
    expected = {name: arrived.get(name, 0) + 1 for name in names}
    for name, number in expected.items():
        many.sources[name].produce(1, first=number)
    many.wait_for(**expected)


def test_sources_come_go_and_change(many: Many) -> None:
    # given two that run
    third = many.sections.pop("source:shard2")
    process = many.start()
    move_one_more(many, "shard0", "shard1")
    undisturbed, changing = many.backends("shard0"), many.backends("shard1")
    assert len(undisturbed) == len(changing) == 1
    # when one comes, then the others keep their sessions
    many.sections["source:shard2"] = third
    many.reload(process)
    many.registered("shard2")
    many.logged("INFO sources: start shard2\n")
    move_one_more(many, "shard0", "shard1", "shard2")
    assert (many.backends("shard0"), many.backends("shard1")) == (undisturbed, changing)
    # when one changes, then it alone begins anew
    many.section("shard1")["table_filter"] = "t1"
    many.reload(process)
    many.logged("INFO sources: restart shard1\n")
    many.until(lambda: len(many.backends("shard1") - changing) == 1, "a new session")
    many.sources["shard1"].produce(6, first=100)
    many.wait_for(shard1=4)
    # when one goes, then it has told its source about its last batch
    many.leave_out("shard1")
    many.reload(process)
    many.logged("INFO sources: stop shard1\n")
    many.until(lambda: not many.backends("shard1"), "the end of shard1")
    assert many.finished("shard1")
    assert many.consumer("shard1") in many.consumers("shard1")
    move_one_more(many, "shard0", "shard2")
    assert many.backends("shard0") == undisturbed
    assert process.stop() == 0
    assert many.errors() == []


def test_the_target_sessions_of_others_stay(many: Many) -> None:
    """Given one connection that all share, when a source goes, then the others keep it."""
    many.main["dst_connections"] = 1
    process = many.start()
    move_one_more(many, *many.sources)
    shared = many.backends("target")
    assert len(shared) == 1
    many.leave_out("shard1")
    many.reload(process)
    many.until(lambda: not many.backends("shard1"), "the end of shard1")
    move_one_more(many, "shard0", "shard2")
    assert many.backends("target") == shared
    assert process.stop() == 0


def test_a_removed_source_finishes_its_batch_while_others_move(many: Many) -> None:
    apart = many.apart("shard1")
    with many.held(apart):
        process = many.start()
        many.sources["shard1"].produce(5)
        many.wait_for_lock()
        # when
        many.leave_out("shard1")
        many.reload(process)
        move_one_more(many, "shard0", "shard2")
        assert many.arrived(apart) == {}
    # then
    many.wait_for(apart, shard1=5)
    many.until(lambda: not many.backends("shard1"), "the end of shard1")
    assert many.finished("shard1")
    assert process.stop() == 0


@pytest.mark.parametrize("change", [None, {"table_filter": "t1"}], ids=["removed", "changed"])
def test_a_change_and_its_opposite_during_a_batch(
    many: Many, change: dict[str, object] | None
) -> None:
    """Given a long batch, when a reload changes the source and another one takes that back,
    then it goes on."""
    apart = many.apart("shard1")
    with many.held(apart):
        process = many.start()
        many.sources["shard1"].produce(5)
        many.wait_for_lock()
        section = many.sections.pop("source:shard1")
        if change:
            many.sections["source:shard1"] = {**section, **change}
        many.reload(process)
        many.sections["source:shard1"] = section
        many.reload(process)
    many.wait_for(apart, shard1=5)
    many.sources["shard1"].produce(5, first=6)
    many.wait_for(apart, shard1=10)
    assert process.stop() == 0


def test_a_bad_section_keeps_all_as_they_are(many: Many) -> None:
    process = many.start()
    many.section("shard1")["loop_delay"] = "soon"
    many.leave_out("shard2")
    many.write()
    process.send(signal.SIGHUP)
    many.logged("ERROR Config not reloaded, keeping the running one: ")
    move_one_more(many, *many.sources)
    assert process.stop() == 0


def test_fewer_connections_count_at_once(many: Many) -> None:
    """Given a smaller dst_connections at a reload, then no more than that are open."""
    many.crowd(3)
    process = many.start()
    many.main["dst_connections"] = 1
    many.reload(process)
    with many.held():
        many.produce(1, held=1)
        many.until(lambda: len(many.backends("target")) == 1, "only one")
    many.wait_for(**dict.fromkeys(many.sources, 1))
    assert process.stop() == 0
