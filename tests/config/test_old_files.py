"""Files from fifteen years of operation load as they did then."""

import shutil
from pathlib import Path

import pytest

from queue_mover.config.loading import load_admin, load_mover
from queue_mover.errors import ConfigError
from tests.config.files import lines, load, only, write


@pytest.mark.parametrize("section", ["queue_mover3", "queue_mover"])
def test_both_section_names(tmp_path: Path, section: str) -> None:
    settings = load(tmp_path, section=section)
    assert only(settings).route.queue == "from_here"
    assert settings.process.service_name == section


def test_the_newer_section_wins(tmp_path: Path) -> None:
    path = write(tmp_path, section="queue_mover")
    newer = ["[queue_mover3]", *lines("queue_name = newer", without=["queue_name"])]
    path.write_text(path.read_text() + "\n".join(newer))
    assert only(load_mover(path, {})).route.queue == "newer"


@pytest.mark.parametrize(
    ("written", "queue"),
    [
        (["queue_name = new"], "new"),
        (["pgq_queue_name = old"], "old"),
        (["queue_name = new", "pgq_queue_name = old"], "old"),
        (["pgq_queue_name = old", "queue_name = new"], "old"),
        (["pgq_queue_name =", "queue_name = new"], "new"),
    ],
)
def test_both_spellings_of_the_queue(tmp_path: Path, written: list[str], queue: str) -> None:
    settings = load(tmp_path, *written, without=["queue_name"])
    assert only(settings).route.queue == queue
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("written", "consumer"),
    [
        ([], "mover"),
        (["job_name = job"], "job"),
        (["consumer_name = new"], "new"),
        (["pgq_consumer_id = old"], "old"),
        (["consumer_name = new", "pgq_consumer_id = old"], "old"),
        (["pgq_consumer_id = old", "consumer_name = new"], "old"),
        (["consumer_name = to_%(job_name)s"], "to_mover"),
    ],
)
def test_both_spellings_of_the_consumer(tmp_path: Path, written: list[str], consumer: str) -> None:
    settings = load(tmp_path, *written)
    assert only(settings).route.consumer == consumer
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("section", "further", "job", "consumer"),
    [
        ("queue_mover3", [], "mover", "mover"),
        ("queue_mover", [], "queue_mover", "queue_mover"),
        ("queue_mover", ["job_name ="], "queue_mover", "queue_mover"),
        ("queue_mover", ["job_name = job"], "job", "job"),
        ("queue_mover", ["consumer_name = to_%(job_name)s"], "queue_mover", "to_queue_mover"),
        ("queue_mover", ["[source:db7]"], "queue_mover", "queue_mover.db7"),
        ("queue_mover3", ["[source:db7]"], "mover", "mover.db7"),
    ],
)
def test_a_job_without_a_name_is_the_consumer_that_it_always_was(
    tmp_path: Path, section: str, further: list[str], job: str, consumer: str
) -> None:
    """Skytools 2, section [queue_mover]: the section's name. Skytools 3: the file's."""
    settings = load(tmp_path, *further, section=section)
    assert settings.process.job_name == settings.log.job_name == job
    assert only(settings).route.consumer == consumer


def test_a_file_of_both_versions_is_named_as_by_the_newer(tmp_path: Path) -> None:
    path = write(tmp_path, section="queue_mover")
    path.write_text(path.read_text() + "\n".join(["[queue_mover3]", *lines()]))
    assert only(load_mover(path, {})).route.consumer == "mover"


def test_rem_begins_a_comment(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "rem the old queue, password=hunter2",
        "REM",
        "Rem\tloop_delay = 5",
        "rem = also none",
        "remark = x",
        "queue_name = orders",
        "rem in the midst of a value",
        "  _2",
        without=["queue_name"],
    )
    assert only(settings).route.queue.split() == ["orders", "_2"]
    assert settings.process.loop_delay == 1.0
    assert settings.warnings == (f"{tmp_path / 'mover.ini'}: remark: unknown key",)


def test_rem_before_the_first_section(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text("rem made by hand\n" + path.read_text())
    assert only(load_mover(path, {})).route.queue == "from_here"


ADMIN_2 = """
[pgqadm]
db = dbname=here
maint_delay_min = 5
ticker_log_delay = 60
queue_refresh_period = 10
idle_interval = 1
max_events = 10
max_lag = 0.5
"""


def test_the_keys_of_an_old_admin_file(tmp_path: Path) -> None:
    path = tmp_path / "ticker.ini"
    path.write_text(ADMIN_2)
    settings = load_admin(path, {})
    assert (settings.maint_delay, settings.ticker_log_delay) == (300.0, 60.0)
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], 600.0),
        (["maint_delay_min = 2"], 120.0),
        (["maint_delay_min = 0.5"], 30.0),
        (["maint_delay_min ="], 600.0),
        (["maint_delay_min = 2", "maint_delay = 7"], 7.0),
        (["maint_delay_min = 2", "maint_delay ="], 120.0),
    ],
)
def test_maintenance_in_minutes(tmp_path: Path, lines: list[str], seconds: float) -> None:
    path = tmp_path / "ticker.ini"
    path.write_text("\n".join(["[pgqadm]", "db = dbname=here", *lines]))
    assert load_admin(path, {}).maint_delay == seconds


def test_inline_comments(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "; a comment",
        "# another one",
        "queue_name = orders ; the old queue",
        "logfile = a;b.log",
        "src_db = dbname=here ; user=nobody",
        "loop_delay = 2\t; seconds",
        without=["queue_name", "src_db"],
    )
    assert only(settings).route.queue == "orders"
    assert only(settings).src_db == "dbname=here"
    assert settings.process.loop_delay == 2.0
    assert settings.log.logfile == Path("a;b.log")


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    settings = load(tmp_path, "loop_delay = 2", "job_name = job", "loop_delay = 3")
    assert settings.process.loop_delay == 3.0
    assert settings.warnings == (
        f"{tmp_path / 'mover.ini'}: line 8: loop_delay appears twice, the last one wins",
    )


def test_each_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    settings = load(tmp_path, "loop_delay = 2", "job_name = a", "loop_delay = 3", "job_name = b")
    told = " ".join(settings.warnings)
    assert "loop_delay appears twice" in told
    assert "job_name appears twice" in told


def test_a_section_that_stands_twice(tmp_path: Path) -> None:
    settings = load(tmp_path, "loop_delay = 2", "[queue_mover3]", "loop_delay = 3")
    assert settings.process.loop_delay == 3.0
    assert "[queue_mover3] appears twice" in settings.warnings[0]


def test_other_sections_are_not_our_business(tmp_path: Path) -> None:
    settings = load(tmp_path, "[londiste3]", "what = ever")
    assert settings.warnings == ()


def test_colons_spaces_and_capitals(tmp_path: Path) -> None:
    settings = load(tmp_path, "Loop_Delay : 4", "LOG_COUNT=5", "log_size   =   6")
    assert settings.process.loop_delay == 4.0
    assert (settings.log.log_count, settings.log.log_size) == (5, 6)


def test_a_value_on_several_lines(tmp_path: Path) -> None:
    settings = load(tmp_path, "src_db = dbname=here", "  user=mover", without=["src_db"])
    assert only(settings).src_db.split() == ["dbname=here", "user=mover"]


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    settings = load(tmp_path, "loop_delay =", "pidfile =", "job_name =", "table_filter =")
    assert (settings.process.loop_delay, settings.process.pidfile) == (1.0, None)
    assert (settings.process.job_name, only(settings).route.tables) == ("mover", ())


def test_keys_without_effect_are_taken(tmp_path: Path) -> None:
    settings = load(tmp_path, "pgq_lazy_fetch = 500", "pgq_autocommit = 1")
    assert settings.warnings == ()


@pytest.mark.parametrize("encoding", ["latin-1", "koi8-r", "cp1252"])
def test_comments_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path)
    comment = {"koi8-r": "# очередь заказов\n"}.get(encoding, "# für die Aufträge ; ÿ\n")
    path.write_bytes(comment.encode(encoding) + path.read_bytes())
    assert only(load_mover(path, {})).route.queue == "from_here"


@pytest.mark.parametrize("key", ["consumer_name", "src_db"])
def test_a_value_that_is_not_utf8_is_refused(tmp_path: Path, key: str) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + f"{key} = dbname=aufträge\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=f"{key}: .*UTF-8"):
        load_mover(path, {})


def test_utf8_values(tmp_path: Path) -> None:
    assert only(load(tmp_path, "consumer_name = aufträge✓")).route.consumer == "aufträge✓"


def test_windows_editors(tmp_path: Path) -> None:
    path = write(tmp_path, "loop_delay = 2 ; seconds")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    settings = load_mover(path, {})
    assert (settings.process.loop_delay, only(settings).dst_db) == (2.0, "dbname=there")


def test_the_job_is_named_after_the_file(tmp_path: Path) -> None:
    path = tmp_path / "orders_to_center.mover.ini"
    shutil.move(write(tmp_path), path)
    settings = load_mover(path, {})
    assert settings.process.job_name == settings.log.job_name == "orders_to_center.mover"
