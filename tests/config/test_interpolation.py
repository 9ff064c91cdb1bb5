"""Values that refer to others, and values from the command line."""

import socket
from pathlib import Path

import pytest

from queue_mover.config.loading import load_mover
from queue_mover.errors import ConfigError
from tests.config.files import load, only, write


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("%(job_name)s", "mover"),
        ("%(host_name)s", socket.gethostname()),
        ("%(config_dir)s", "{directory}"),
        ("%(config_file)s", "{directory}/mover.ini"),
        ("%(service_name)s", "queue_mover3"),
        ("%(queue_name)s_x", "from_here_x"),
        ("100%%", "100%"),
    ],
)
def test_references(tmp_path: Path, reference: str, value: str) -> None:
    settings = load(tmp_path, f"consumer_name = {reference}")
    assert only(settings).route.consumer == value.format(directory=tmp_path)
    assert settings.warnings == ()


@pytest.mark.parametrize(
    "key", ["job_name", "host_name", "config_dir", "config_file", "service_name"]
)
def test_the_file_may_set_what_is_automatic(tmp_path: Path, key: str) -> None:
    settings = load(tmp_path, f"{key} = mine", f"consumer_name = to_%({key})s")
    assert only(settings).route.consumer == "to_mine"
    assert settings.warnings == ()


def test_a_job_name_made_from_others_names_the_consumer(tmp_path: Path) -> None:
    settings = load(tmp_path, "job_name = %(queue_name)s_mover")
    assert settings.process.job_name == "from_here_mover"
    assert only(settings).route.consumer == "from_here_mover"


def test_variables_of_the_users_own(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "cluster = db7",
        "prefix = host=%(cluster)s",
        "src_db = %(prefix)s dbname=here",
        without=["src_db"],
    )
    assert only(settings).src_db == "host=db7 dbname=here"
    assert settings.warnings == ()


def test_the_default_section(tmp_path: Path) -> None:
    path = write(tmp_path, "src_db = host=%(db_host)s", without=["src_db"])
    path.write_text("[DEFAULT]\ndb_host = db7\nloop_delay = 5\n\n" + path.read_text())
    settings = load_mover(path, {})
    assert only(settings).src_db == "host=db7"
    assert settings.process.loop_delay == 5.0
    assert settings.warnings == ()


def test_a_path_with_a_percent_sign(tmp_path: Path) -> None:
    directory = tmp_path / "100%(x)s"
    directory.mkdir()
    settings = load(directory, "logfile = %(config_dir)s/mover.log")
    assert settings.log.logfile == directory / "mover.log"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("50%", "write %% for a literal %; a reference looks like %(name)s"),
        ("%x", "write %% for a literal %; a reference looks like %(name)s"),
        ("%(consumer_name)s", "write %% for a literal %; a reference looks like %(name)s"),
        (
            "%(nothing)s",
            "add a line name = VALUE to [queue_mover3], or write %% for a literal %",
        ),
        ("%(queue_name)s_%(foo)s", "that is not set; remedy: add a line"),
        ("%(queue_nam)s", "(did you mean %(queue_name)s?); remedy: add a line"),
    ],
)
def test_a_reference_that_leads_nowhere(tmp_path: Path, value: str, told: str) -> None:
    path = tmp_path / "mover.ini"
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, f"consumer_name = {value}")
    assert str(refusal.value).startswith(f"{path}: consumer_name: cannot be interpolated")
    assert told in str(refusal.value)
    assert "; remedy: " in str(refusal.value)


def test_format_2(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "config_format = 2",
        "cluster = db7",
        "src_db = host=${cluster} dbname=${names:source}",
        "consumer_name = 100%_$$_${job_name}",
        "[names]",
        "source = here",
        without=["src_db"],
    )
    assert only(settings).src_db == "host=db7 dbname=here"
    assert only(settings).route.consumer == "100%_$_mover"
    assert settings.warnings == ()


@pytest.mark.parametrize("value", ["0", "3", "two", "1.0"])
def test_no_other_format(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, f"config_format = {value}")
    assert (
        str(refusal.value)
        == f"{tmp_path / 'mover.ini'}: config_format: must be 1 or 2, not {value!r}"
    )


# --set


def test_set_overrides_and_adds(tmp_path: Path) -> None:
    overrides = {"loop_delay": "9", "job_name": "other"}
    settings = load(tmp_path, "loop_delay = 1", overrides=overrides)
    assert settings.process.loop_delay == 9.0
    assert settings.process.job_name == only(settings).route.consumer == "other"
    assert settings.warnings == ()


def test_set_brings_a_required_key(tmp_path: Path) -> None:
    settings = load(tmp_path, without=["queue_name"], overrides={"queue_name": "set"})
    assert only(settings).route.queue == "set"


def test_set_is_interpolated(tmp_path: Path) -> None:
    settings = load(tmp_path, overrides={"consumer_name": "%(queue_name)s_%(job_name)s"})
    assert only(settings).route.consumer == "from_here_mover"


def test_set_wins_over_the_older_spelling_in_the_default_section(tmp_path: Path) -> None:
    path = write(tmp_path, "consumer_name = of_%(pgq_queue_name)s", without=["queue_name"])
    path.write_text("[DEFAULT]\npgq_queue_name = default\n\n" + path.read_text())
    route = only(load_mover(path, {"queue_name": "set"})).route
    assert (route.queue, route.consumer) == ("set", "of_set")


def test_set_chooses_the_format(tmp_path: Path) -> None:
    lines = ["config_format = 1", "consumer_name = ${job_name}"]
    settings = load(tmp_path, *lines, overrides={"config_format": "2"})
    assert only(settings).route.consumer == "mover"


@pytest.mark.parametrize(
    ("lines", "overrides", "told"),
    [
        (["consumer_name = ${nothing}"], {}, "write $$ for a literal $"),
        ([], {"consumer_name": "50$"}, "--set consumer_name: a literal $ is written $$"),
    ],
)
def test_messages_speak_of_format_2(
    tmp_path: Path, lines: list[str], overrides: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, "config_format = 2", *lines, overrides=overrides)
    assert told in str(refusal.value)


def test_set_of_a_misspelt_key_is_told(tmp_path: Path) -> None:
    settings = load(tmp_path, overrides={"loop_dely": "1"})
    assert settings.warnings == (
        f"{tmp_path / 'mover.ini'}: loop_dely: unknown key, did you mean loop_delay?",
    )


def test_set_with_a_lonely_percent_sign(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--set consumer_name: a literal % is written %%$"):
        load(tmp_path, overrides={"consumer_name": "50%"})
