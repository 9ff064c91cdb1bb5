"""The sample file of --ini: every key, and nothing that changes anything."""

import re
from pathlib import Path

import pytest

from queue_mover.config import parameters, sample
from queue_mover.config.loading import load_mover
from queue_mover.config.schema import Group
from queue_mover.config.settings import Settings
from tests.config.files import REQUIRED, load, only

UNSET = {"pidfile": "", "logfile": ""}
"""For a sample without the files that it sets for the operator."""


def mover_sample(**overrides: str) -> str:
    return sample.ini("queue_mover3", parameters.MOVER, overrides)


def loaded(directory: Path, text: str) -> Settings:
    path = directory / "mover.ini"
    path.write_text(text)
    return load_mover(path, {})


@pytest.mark.parametrize("groups", [parameters.MOVER, parameters.ADMIN], ids=["mover", "admin"])
def test_each_key_stands_in_it_once_below_its_meaning(groups: tuple[Group, ...]) -> None:
    text = sample.ini("section", groups, {})
    assert text.startswith("[section]\n")
    for parameter in (parameter for group in groups for parameter in group.parameters):
        found = re.findall(rf"^#? ?{parameter.name} =.*$", text, re.MULTILINE)
        assert len(found) == 1, parameter.name
        assert f"# {parameter.meaning} ({parameter.kind.name})\n{found[0]}" in text


def test_with_the_required_keys_filled_in_it_is_all_defaults(tmp_path: Path) -> None:
    filled = mover_sample(**REQUIRED, **UNSET)
    assert loaded(tmp_path, filled) == load(tmp_path)


def test_the_required_keys_can_be_filled_in_by_hand(tmp_path: Path) -> None:
    text = mover_sample(**UNSET)
    for key, value in REQUIRED.items():
        text = re.sub(rf"^{key} =$", f"{key} = {value}", text, flags=re.MULTILINE)
    assert loaded(tmp_path, text) == load(tmp_path)


def test_what_it_shows_as_default_is_the_default(tmp_path: Path) -> None:
    filled = mover_sample(**REQUIRED, **UNSET)
    uncommented = re.sub(r"^#(?=[a-z_]+ =)", "", filled, flags=re.MULTILINE)
    assert uncommented != filled
    assert loaded(tmp_path, uncommented) == load(tmp_path)


@pytest.mark.parametrize("groups", [parameters.MOVER, parameters.ADMIN], ids=["mover", "admin"])
def test_it_is_ready_for_the_background(groups: tuple[Group, ...]) -> None:
    lines = sample.ini("section", groups, {}).splitlines()
    assert "pidfile = ~/pid/%(job_name)s.pid" in lines
    assert "logfile = ~/log/%(job_name)s.log" in lines


def test_values_given_by_set_stand_in_it(tmp_path: Path) -> None:
    text = mover_sample(**REQUIRED, loop_delay="7", cluster="db7")
    assert "\nloop_delay = 7\n" in text
    assert "#loop_delay" not in text
    settings = loaded(tmp_path, text + "\nconsumer_name = %(cluster)s\n")
    assert settings.process.loop_delay == 7.0
    assert only(settings).route.consumer == "db7"


def test_older_spellings_given_by_set_stand_in_it(tmp_path: Path) -> None:
    text = mover_sample(**REQUIRED, pgq_consumer_id="old")
    assert only(loaded(tmp_path, text)).route.consumer == "old"


def test_the_tables_of_the_docs_have_each_key() -> None:
    text = sample.markdown(parameters.MOVER)
    for group in parameters.MOVER:
        assert f"### {group.title}\n" in text
        for parameter in group.parameters:
            names = f"`{parameter.name}`" + (f", `{parameter.older}`" if parameter.older else "")
            assert f"| {names} | " in text
