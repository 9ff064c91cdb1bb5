"""What a process with many sources says about its work."""

import re
import signal

from queue_mover.system.statistics_line import statistics_line
from tests.sources.many import Many
from tests.sources.texts import STATISTICS, statistics

SUMMARY = re.compile(
    r"^\S+ \S+ \d+ INFO \{sources: (\d+), failing: (\d+), stopped: (\d+),"
    r" batches: (\d+), count: (\d+), seconds: 0\.5\}$",
    re.MULTILINE,
)


def summaries(many: Many) -> list[dict[str, int]]:
    """The summary lines so far."""
    names = ("sources", "failing", "stopped", "batches", "count")
    return [dict(zip(names, map(int, found), strict=True)) for found in SUMMARY.findall(many.log)]


def wait_for_summary(many: Many, **expected: int) -> None:
    """Wait for a new summary line that says this."""
    seen = len(summaries(many))
    many.until(
        lambda: any(expected.items() <= line.items() for line in summaries(many)[seen:]),
        f"{expected} in a summary",
    )


def totals(many: Many) -> tuple[int, int]:
    """Batches and events of all summaries so far."""
    lines = summaries(many)
    return sum(line["batches"] for line in lines), sum(line["count"] for line in lines)


def test_a_line_for_each_batch_with_the_source_as_its_last_field(many: Many) -> None:
    many.register()
    many.main["max_batch_events"] = 0
    for count, source in enumerate(many.sources.values(), 5):
        source.produce(count)
        source.produce(10 * count, first=100)
    many.drain().check()
    # then all lines with a brace are whole, and have the source in no other place
    lines = [line for line in many.log.splitlines() if "{" in line]
    assert all(STATISTICS.match(line) for line in lines), lines
    assert sorted(STATISTICS.findall(many.log)) == sorted(
        (str(count), f"shard{number}")
        for number in range(3)
        for count in (5 + number, 10 * (5 + number))
    )


def test_a_keepalive_line_for_each_source(many: Many) -> None:
    many.main["keepalive_stats"] = 0.2
    process = many.start()
    line = re.compile(r" INFO \{idle: \d+\.\d+, source: (\w+)\}$", re.MULTILINE)
    many.until(lambda: set(line.findall(many.log)) == set(many.sources), "keepalive lines")
    assert process.stop() == 0


def test_a_line_with_quarantined_events_ends_with_the_source() -> None:
    """The order of the fields, which collectors may rely on."""
    assert (
        statistics_line(
            {"count": 5, "duration": 0.1, "idle": 0.2, "quarantined": 1, "source": "shard0"}
        )
        == "{count: 5, duration: 0.1, idle: 0.2, quarantined: 1, source: shard0}"
    )


def test_a_summary_of_all_sources(many: Many) -> None:
    process = many.start(fast_clocks=True)
    wait_for_summary(many, sources=3, failing=0, stopped=0, batches=0, count=0)
    # when
    for count, source in enumerate(many.sources.values(), 5):
        source.produce(count)
    many.wait_for(shard0=5, shard1=6, shard2=7)
    wait_for_summary(many, count=0)
    # then nothing is counted twice, or left out
    assert totals(many) == (3, 18)
    assert process.stop() == 0


def make_lost(many: Many, name: str) -> None:
    """Let a source end at its next batch, as soon as it is started."""
    many.register(name)
    many.lose_position(name)
    many.sources[name].produce(1)


def test_the_summary_counts_what_fails_and_what_has_stopped(many: Many) -> None:
    # given one that is down, one that is lost, and one at work
    many.section("shard1")["src_db"] = "host=127.0.0.1 port=1"
    make_lost(many, "shard2")
    process = many.launch(fast_clocks=True)
    wait_for_summary(many, sources=2, failing=1, stopped=1)
    # when both are put right
    many.section("shard1")["src_db"] = many.sources["shard1"].database.conninfo()
    many.run("--reset", "--source", "shard2").check()
    many.reload(process)
    # then
    wait_for_summary(many, sources=3, failing=0, stopped=0)
    assert process.stop() == 0


def test_a_stopped_source_that_is_removed_is_counted_no_more(many: Many) -> None:
    make_lost(many, "shard2")
    process = many.launch(fast_clocks=True)
    wait_for_summary(many, sources=2, stopped=1)
    many.leave_out("shard2")
    many.reload(process)
    wait_for_summary(many, sources=2, stopped=0)
    assert process.stop() == 0


def test_the_summary_counts_the_work_of_a_source_that_is_removed(many: Many) -> None:
    """Given one that had most of the events, when it goes, then the others' are still counted."""
    process = many.start(fast_clocks=True)
    many.sources["shard0"].produce(100)
    many.wait_for(shard0=100)
    wait_for_summary(many, count=0)
    before = totals(many)
    # when
    many.leave_out("shard0")
    many.reload(process)
    many.until(lambda: not many.backends("shard0"), "the end of shard0")
    many.sources["shard1"].produce(10)
    many.wait_for(shard1=10)
    wait_for_summary(many, sources=2, count=0)
    # then
    assert totals(many) == (before[0] + 1, before[1] + 10)
    assert process.stop() == 0


def test_a_single_source_needs_no_summary(many: Many) -> None:
    many.main["src_db"] = many.sources["shard0"].database.conninfo()
    many.main["consumer_name"] = many.consumer("shard0")
    many.main["keepalive_stats"] = 0.2
    many.sections.clear()
    process = many.launch(fast_clocks=True)
    many.logged("{idle: ", 6)
    assert summaries(many) == []
    assert process.stop(signal.SIGINT) == 0
    assert statistics(many.log) == {}
