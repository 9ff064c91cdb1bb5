"""Sources that get another name, leave the file or are unregistered; the others do not notice."""

from collections.abc import Callable

import pytest

from testbed.log_lines import news
from testbed.processes import Process, Result
from tests.sources.many import Many


@pytest.fixture
def moved(many: Many) -> Many:
    """Three events of each source have been moved."""
    many.register()
    for source in many.sources.values():
        source.produce(3)
    many.drain().check()
    return many


def rename(many: Many, old: str, new: str) -> None:
    """Its section gets another name."""
    many.sections[f"source:{new}"] = many.sections.pop(f"source:{old}")


def others_move(many: Many, process: Process, *, first: int) -> None:
    """Shards 0 and 1 move one more event each, and have had no error."""
    for name in ("shard0", "shard1"):
        many.sources[name].produce(1, first=first)
    many.wait_for(shard0=first, shard1=first)
    assert process.running
    assert many.errors("shard0") + many.errors("shard1") == []


def take_over(many: Many) -> Result:
    """As the message says."""
    return many.run("--source", "riga", "--take-over", many.consumer("shard2"))


def keep_the_name(many: Many) -> None:
    """The other way out."""
    many.section("riga")["consumer_name"] = many.consumer("shard2")


def test_a_source_renamed_by_a_reload_loses_nothing(moved: Many) -> None:
    process = moved.start()
    others_move(moved, process, first=4)
    # given events that wait for the batch that is not moved any more
    rename(moved, "shard2", "riga")
    moved.reload(process)
    moved.sources["shard2"].produce(3, first=4)
    # then it says whom it would leave behind, keeps trying, and the others move
    moved.logged(f'ERROR riga: consumer "{moved.consumer("riga")}" has not moved queue')
    assert f"--take-over {moved.consumer('shard2')}" in moved.errors("riga")[0]
    others_move(moved, process, first=5)
    assert moved.consumer("riga") not in moved.consumers("shard2")
    # when it takes over, then it goes on without a reload
    take_over(moved).check()
    moved.logged("INFO riga: recovered: working again")
    moved.wait_for(shard2=6)
    assert process.stop() == 0
    assert moved.consumers("shard2") == {moved.consumer("riga")}
    assert "shard2" not in moved.positions()
    moved.assert_identical()


@pytest.mark.parametrize("way_out", [take_over, keep_the_name], ids=lambda way: way.__name__)
def test_a_source_renamed_while_nothing_runs(
    moved: Many, way_out: Callable[[Many], object]
) -> None:
    moved.sources["shard2"].produce(3, first=4)
    rename(moved, "shard2", "riga")
    result = moved.drain()
    assert result.returncode == 1
    assert "has not moved queue" in result.stderr
    way_out(moved)
    moved.drain().check()
    moved.assert_identical()


def test_several_files_become_one(many: Many) -> None:
    """Each job had a consumer of its own name, which the one file gives it with consumer_name."""
    former = ("--set", "consumer_name=job_%(source)s")
    many.drain(*former).check()
    for source in many.sources.values():
        source.produce(3)
    many.drain(*former).check()
    for source in many.sources.values():
        source.produce(3, first=4)
    refused = many.drain()
    assert refused.returncode == 1
    assert "\n".join(news(refused.stderr)).count("--take-over job_shard") == 3
    for name in many.sources:
        many.section(name)["consumer_name"] = f"job_{name}"
    many.drain().check()
    many.assert_identical()


def test_two_of_one_process_that_share_a_queue_do_not_mind_each_other(moved: Many) -> None:
    """Given one source for some tables, then another one for others may register beside it."""
    moved.section("shard2")["table_filter"] = "t1"
    moved.sections["source:rest"] = {**moved.section("shard2"), "table_filter": "t2"}
    moved.drain().check()
    assert moved.consumers("shard2") == {moved.consumer("shard2"), moved.consumer("rest")}
    # in a process of its own, it has to be told
    moved.run("--unregister", "--source", "rest").check()
    refused = moved.drain("--source", "rest")
    assert refused.returncode == 1
    moved.run("--register", "--source", "rest").check()
    moved.drain("--source", "rest").check()


def test_unregister_of_a_source_that_has_left_the_file(moved: Many) -> None:
    source_db = str(moved.section("shard2")["src_db"])
    moved.leave_out("shard2")
    # when it is asked for by its name, then the way is told
    refused = moved.run("--source", "shard2", "--unregister")
    assert refused.returncode == 1
    assert "--consumer JOB_NAME.SOURCE --set src_db=... --unregister" in refused.stderr
    refused = moved.run("--consumer", moved.consumer("shard2"), "--unregister")
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        "[queue_mover3] has no src_db; remedy: add --source NAME, or --set src_db=... if its"
        " section is gone\n"
    )
    # when it is asked for by its consumer, then it goes from both sides, and no other
    moved.run(
        *("--consumer", moved.consumer("shard2"), "--set", f"src_db={source_db}", "--unregister")
    ).check()
    assert moved.consumers("shard2") == set()
    assert set(moved.positions()) == {"shard0", "shard1"}
    assert moved.consumers("shard0") == {moved.consumer("shard0")}


def test_consumer_needs_a_switch_and_one_source(moved: Many) -> None:
    for switches, words in [
        (["--consumer", "x"], "--consumer works only with a position switch"),
        (["--consumer", "x", "-s"], "--consumer works only with a position switch"),
        (["--consumer", "x", "--ini"], "--consumer works only with a position switch"),
        (["--consumer", "x", "--reset", "--source", "*"], "--consumer works on one source"),
        (["--consumer", "x", "--reset"], "[queue_mover3] has no src_db; remedy: add --source NAME"),
        (["--take-over", "x"], "--take-over works on one source"),
        (["--take-over", "x", "--source", "shard1"], "nothing to take over"),
    ]:
        result = moved.run(*switches)
        assert result.returncode == 1
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_unregister_under_a_running_process_ends_that_source(moved: Many) -> None:
    process = moved.start()
    others_move(moved, process, first=4)
    moved.run("--unregister", "--source", "shard2").check()
    moved.logged(f'WARNING shard2: consumer "{moved.consumer("shard2")}" was unregistered')
    moved.until(lambda: not moved.backends("shard2"), "the end of shard2")
    moved.sources["shard2"].produce(3, first=4)
    others_move(moved, process, first=5)
    assert moved.errors() == []
    assert moved.consumers("shard2") == set()
    # when its section goes too, nothing is left of it
    moved.leave_out("shard2")
    moved.reload(process)
    others_move(moved, process, first=6)
    assert process.stop() == 0
    assert moved.arrived()["shard2"] == 3
