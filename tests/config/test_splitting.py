"""dst_queue_field in a file, and the files of queue_splitter3."""

from pathlib import Path

import pytest

from queue_mover.config import parameters, sample
from queue_mover.config.loading import load_mover
from queue_mover.config.splitting import require_splitter, target_queue
from queue_mover.errors import ConfigError
from tests.config.files import REQUIRED, load, only, write

SPLITTER = [key for key in REQUIRED if key != "dst_queue_name"]


@pytest.mark.parametrize(
    ("section", "written", "field"),
    [
        ("queue_mover3", ["dst_queue_field = ev_extra1"], "ev_extra1"),
        ("queue_mover3", ["dst_queue_field = extra4"], "ev_extra4"),
        ("queue_mover", ["queue_field = type"], "ev_type"),
        ("queue_mover3", ["queue_field = ev_data", "dst_queue_name ="], "ev_data"),
        ("queue_splitter3", [], "ev_extra1"),
        ("queue_splitter", [], "ev_extra1"),
        ("queue_splitter3", ["queue_field = extra2"], "ev_extra2"),
        ("queue_splitter3", ["dst_queue_field = ev_extra3", "queue_field ="], "ev_extra3"),
    ],
)
def test_the_field_that_names_the_target_queue(
    tmp_path: Path, section: str, written: list[str], field: str
) -> None:
    settings = load(tmp_path, *written, without=["dst_queue_name"], section=section)
    route = only(settings).route
    assert (route.split_field, route.target_queue) == (field, f"by {field}")
    assert settings.warnings == ()


def test_without_it_nothing_is_split(tmp_path: Path) -> None:
    assert only(load(tmp_path, "dst_queue_field =")).route.split_field == ""


@pytest.mark.parametrize("value", ["ev_time", "id", "ev_extra5", "tables"])
def test_a_field_that_cannot_name_a_queue(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="not ev_type, ev_data, or one of ev_extra1 to ev_extra4"):
        load(tmp_path, f"dst_queue_field = {value}", without=["dst_queue_name"])


def test_one_target_queue_and_many_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, "dst_queue_field = ev_extra1")
    assert str(refusal.value) == (
        f"{tmp_path / 'mover.ini'}: dst_queue_name: cannot be combined with dst_queue_field: the"
        " field names the target queue of each event; remedy: remove one of the two"
    )
    # and a source may have the other one
    sections = ("[source:a]", "[source:b]", "dst_queue_name =", "dst_queue_field = ev_extra1")
    a, b = load(tmp_path, *sections).movers
    assert (a.route.target_queue, b.route.target_queue) == ("to_here", "by ev_extra1")


def test_two_sources_that_would_split_the_same_events(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='events of queue "from_here" in the same database'):
        load(tmp_path, "[source:a]", "[source:b]", section="queue_splitter3")


@pytest.mark.parametrize("key", ["keep_event_id", "create_dst_queue"])
def test_what_cannot_be_combined(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key}: cannot be combined with dst_queue_field"):
        target_queue("x.ini", {"dst_queue_field": "ev_extra1", key: True})


@pytest.mark.parametrize(
    ("section", "job"), [("queue_splitter3", "mover"), ("queue_splitter", "queue_splitter")]
)
def test_an_old_file_means_what_it_always_did(tmp_path: Path, section: str, job: str) -> None:
    """As in the manual page of the original, with the key that only its program knew."""
    path = tmp_path / "mover.ini"
    path.write_text(
        f"[{section}]\nsrc_db = dbname=sourcedb\ndst_db = dbname=targetdb\n"
        "pgq_queue_name = sourceq ; the one queue\nlogfile = ~/log/%(job_name)s.log\n"
        "pidfile = ~/pid/%(service_name)s.pid\n"
    )
    require_splitter(path, {})
    settings = load_mover(path, {})
    mover = only(settings)
    assert (mover.route.queue, mover.route.consumer) == ("sourceq", job)
    assert mover.process.pidfile is not None
    assert mover.process.pidfile.name == f"{section}.pid"
    assert settings.warnings == ()


def test_a_splitter_has_no_single_target_queue(tmp_path: Path) -> None:
    settings = load(tmp_path, section="queue_splitter3")
    assert only(settings).route.target_queue == "by ev_extra1"
    (warning,) = settings.warnings
    assert warning.startswith(f"{tmp_path / 'mover.ini'}: dst_queue_name: unknown key")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (["queue_mover3"], "no section [queue_splitter3]; it is a mover's file; remedy:"),
        (["queue_splitter", "queue_mover"], "has both [queue_mover] and [queue_splitter]; remedy"),
        (["pgqadm"], "no section [queue_splitter3]"),
    ],
)
def test_a_file_of_another_command(tmp_path: Path, sections: list[str], words: str) -> None:
    path = write(tmp_path, section=sections[0])
    path.write_text(path.read_text() + "".join(f"\n[{name}]\nx = 1\n" for name in sections[1:]))
    with pytest.raises(ConfigError) as refusal:
        require_splitter(path, {})
    assert str(refusal.value).startswith(f"{path}: {words}")


def test_the_sample_of_a_splitter_loads(tmp_path: Path) -> None:
    values = {key: REQUIRED[key] for key in SPLITTER}
    path = tmp_path / "mover.ini"
    path.write_text(sample.ini("queue_splitter3", parameters.SPLITTER, values))
    assert only(load_mover(path, {})).route.split_field == "ev_extra1"
    assert "dst_queue_name" not in path.read_text().replace("in place of dst_queue_name", "")
