"""SQL expressions in a file: references in them stay within their quotes."""

from pathlib import Path

import pytest

from queue_mover.config.config_errors import bad_values
from queue_mover.config.loading import load_mover
from queue_mover.errors import ConfigError
from queue_mover.model import Route
from testbed.ini import write_sections
from tests.config.files import REQUIRED, load, only

A = {"src_db": "dbname=a"}


def route(directory: Path, name: str, **settings: str) -> Route:
    """The route of a source of this name, in a file with these settings."""
    sections = {"queue_mover3": {**REQUIRED, **settings}, f"source:{name}": A}
    (mover,) = load_mover(write_sections(directory / "mover.ini", sections), {}).movers
    return mover.route


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    ("name", "literal"),
    [
        ("app1", "'app1'"),
        ("o'brien", "'o''brien'"),
        ("'; drop table x; --", "'''; drop table x; --'"),
        ("'' || '", "''''' || '''"),
        ('"x"', "'\"x\"'"),
        ("100%", "'100%'"),
        ("täglich", "'täglich'"),
    ],
)
def test_the_name_of_a_source_stays_a_literal(
    tmp_path: Path, name: str, literal: str, version: str
) -> None:
    reference = {"1": "%({})s", "2": "${{{}}}"}[version].format
    found = route(
        tmp_path,
        name,
        config_format=version,
        origin=f"'{reference('source')}'",
        ev_extra4=f"'{reference('source')}'",
        # through a variable of the file, which is SQL
        event_filter=f"ev_extra4 is distinct from {reference('origin')}",
    )
    assert dict(found.rewrite)["ev_extra4"] == literal
    assert found.event_filter == f"ev_extra4 is distinct from {literal}"


def test_all_keys_and_their_order(tmp_path: Path) -> None:
    """That of the columns, whatever that of the file."""
    keys = ["ev_time", "ev_extra4", "ev_extra3", "ev_extra2", "ev_extra1", "ev_data", "ev_type"]
    mover = only(load(tmp_path, *(f"{key} = null" for key in keys), "event_filter = true"))
    assert mover.route.expressions == (
        ("event_filter", "true"),
        *((key, "null") for key in ["ev_type", "ev_data", *sorted(keys[1:5]), "ev_time"]),
    )
    assert mover.route.is_filtered


def test_an_empty_value_is_no_expression_and_an_empty_literal_is_one(tmp_path: Path) -> None:
    mover = only(load(tmp_path, "event_filter =", "ev_type = ''", "ev_data = "))
    assert (mover.route.event_filter, mover.route.rewrite) == ("", (("ev_type", "''"),))


REFUSED = [
    ("ev_data = '%(src_db)s'", "ev_data: refers to src_db, which may contain a password"),
    ("ev_data = '%(x)s'\nx = %(dst_db)s", "ev_data: refers to dst_db, which may contain a pass"),
    ("ev_data = '%(job_name)s'\njob_name = a\\", "ev_data: refers to job_name, whose value has a"),
    ("ev_data = '%(nowhere)s'", "ev_data: cannot be interpolated"),
    ("event_filter = ev_type like 'I:%'", "event_filter: cannot be interpolated"),
    ("ev_time = now()\nwrite_with = insert_event", "ev_time: write_with = insert_event sets the"),
]


@pytest.mark.parametrize(("lines", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_in_an_expression(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, "src_db = dbname=x password=hunter2", lines, without=["src_db"])
    assert words in str(refusal.value)
    assert "; remedy: " in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


CONFLICTS = [
    ("", "", False),
    ("ev_type = 'a'", "", False),
    ("ev_type = 'a'", "ev_type  =\n  'a'", False),
    ("ev_type = 'a'", "ev_type = 'b'", True),
]


@pytest.mark.parametrize(("first", "second", "allowed"), CONFLICTS)
def test_two_sources_of_one_queue_need_different_filters(
    tmp_path: Path, first: str, second: str, *, allowed: bool
) -> None:
    sections = {
        "queue_mover3": REQUIRED,
        "source:a": {**A, "event_filter": first, "ev_type": "'a'"},
        "source:b": {**A, "event_filter": second, "ev_type": "'b'"},
    }
    path = write_sections(tmp_path / "mover.ini", sections)
    if allowed:
        assert len(load_mover(path, {}).movers) == 2
        return
    with pytest.raises(ConfigError, match="different src_db, queue_name, table_filter or event_f"):
        load_mover(path, {})


def test_all_errors_of_a_file_leave_out_references_to_each_source(tmp_path: Path) -> None:
    """The main section cannot have the name of a source, and need not."""
    sections = {
        "queue_mover3": {
            **REQUIRED,
            "ev_extra4": "'%(source)s'",
            "event_filter": "ev_id %% 2 = %(part)s",
        },
        "source:a": {**A, "part": "0"},
        "source:b": {**A},
    }
    bad, names = bad_values(write_sections(tmp_path / "mover.ini", sections), {})
    assert [(each.source, each.key) for each in bad] == [("b", "event_filter")]
    assert names == ["a", "b"]
