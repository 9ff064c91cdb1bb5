"""include: sections from other files."""

import re
from pathlib import Path

import pytest

from queue_mover.config.loading import load_mover
from queue_mover.errors import ConfigError
from testbed.ini import ini_text
from tests.sources.many import Many
from tests.sources.test_sections import MAIN


def write(path: Path, sections: dict[str, dict[str, str]]) -> Path:
    """Write a file, and its folder."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(ini_text(sections))
    return path


def section(name: str, **settings: str) -> dict[str, dict[str, str]]:
    """The section of one source."""
    return {f"source:{name}": {"src_db": f"dbname={name}", **settings}}


def main(include: str, **settings: str) -> dict[str, dict[str, str]]:
    """The main section of a file that includes others."""
    return {"queue_mover3": {**MAIN, "include": include, **settings}}


def test_wildcards_and_several_patterns(tmp_path: Path) -> None:
    # given
    write(tmp_path / "conf.d" / "a.ini", {**section("a1"), **section("a2", queue_name="mine")})
    write(tmp_path / "conf.d" / "b.ini", section("b"))
    write(tmp_path / "conf.d" / "c.off", section("c"))
    write(tmp_path / "more.ini", section("more"))
    file = write(tmp_path / "mover.ini", {**main("conf.d/*.ini, more.ini"), **section("own")})
    # when
    movers = load_mover(file, {}).movers
    # then all are there, and inherit
    assert [mover.source for mover in movers] == ["own", "a1", "a2", "b", "more"]
    assert [mover.src_db for mover in movers] == [f"dbname={mover.source}" for mover in movers]
    assert [m.route.queue for m in movers] == ["queue", "queue", "mine", "queue", "queue"]
    assert {mover.dst_db for mover in movers} == {"dbname=central"}


def test_relative_to_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "etc" / "a.ini", section("there"))
    write(tmp_path / "a.ini", section("wrong"))
    write(tmp_path / "etc" / "mover.ini", main("a.ini"))
    monkeypatch.chdir(tmp_path)
    movers = load_mover(Path("etc/mover.ini"), {}).movers
    assert [mover.source for mover in movers] == ["there"]


def test_an_absolute_path(tmp_path: Path) -> None:
    other = write(tmp_path / "elsewhere" / "a.ini", section("a"))
    file = write(tmp_path / "etc" / "mover.ini", main(str(other)))
    assert [mover.source for mover in load_mover(file, {}).movers] == ["a"]


def test_a_folder_with_blanks_and_brackets_in_its_name(tmp_path: Path) -> None:
    """What stands in the pattern is a wildcard; what the folder happens to be called is none."""
    write(tmp_path / "etc [old] ones" / "a.ini", section("a"))
    file = write(tmp_path / "etc [old] ones" / "mover.ini", main("a*.ini"))
    assert [mover.source for mover in load_mover(file, {}).movers] == ["a"]


def test_a_source_in_two_files_is_refused(tmp_path: Path) -> None:
    other = write(tmp_path / "a.ini", section("a"))
    file = write(tmp_path / "mover.ini", {**main("a.ini"), **section("a")})
    with pytest.raises(
        ConfigError, match=re.escape(f"{other}: [source:a]: also appears in another")
    ):
        load_mover(file, {})


def test_a_second_main_section_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.ini", {**main(""), **section("a")})
    file = write(tmp_path / "mover.ini", main("a.ini"))
    with pytest.raises(ConfigError, match=r"\[queue_mover3\]: also appears in another file"):
        load_mover(file, {})


def test_a_bad_value_and_a_bad_line_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "mover.ini", main("a.ini"))
    write(tmp_path / "a.ini", section("a", loop_delay="soon"))
    with pytest.raises(ConfigError, match="loop_delay: 'soon' is not a number"):
        load_mover(file, {})
    other = write(tmp_path / "a.ini", section("a"))
    other.write_text("secret without a section")
    with pytest.raises(ConfigError, match=r"a\.ini: line 1: before any \[section\]") as refusal:
        load_mover(file, {})
    assert "secret" not in str(refusal.value)


def test_an_included_file_that_anyone_can_read_and_that_holds_a_password(tmp_path: Path) -> None:
    """The warning names the file that has to be protected."""
    file = write(tmp_path / "mover.ini", main("a.ini"))
    other = write(tmp_path / "a.ini", {"source:a": {"src_db": "dbname=a password=secret"}})
    file.chmod(0o600)
    other.chmod(0o644)
    assert [note for note in load_mover(file, {}).warnings if str(other) in note]


def test_the_program_moves_included_sources_and_takes_new_files(many: Many) -> None:
    # given two of three sources in a folder beside the file
    folder = many.directory / "conf.d"
    parts = {name: {name: many.sections.pop(name)} for name in list(many.sections)}
    names = [name.removeprefix("source:") for name in parts]
    folder.mkdir()
    for name in list(parts)[:2]:
        (folder / f"{name[-6:]}.ini").write_text(ini_text(parts[name]))
    many.main["include"] = "conf.d/*.ini"
    process = many.launch()
    for number, name in enumerate(names[:2], 1):
        many.registered(name)
        many.sources[name].produce(number)
    many.wait_for(shard0=1, shard1=2)
    # when
    (folder / "third.ini").write_text(ini_text(parts["source:shard2"]))
    many.reload(process)
    # then
    many.registered("shard2")
    many.sources["shard2"].produce(3)
    many.wait_for(shard2=3)
    assert process.stop() == 0
    many.assert_identical()


@pytest.mark.parametrize("include", ["nowhere.ini", "conf.d/a.ini", "here.ini, nowhere.ini"])
def test_a_name_without_wildcards_must_be_there(tmp_path: Path, include: str) -> None:
    # given one file that is there, and a folder that may be empty
    write(tmp_path / "here.ini", section("here"))
    file = write(tmp_path / "mover.ini", main(include, src_db="dbname=own"))
    missing = tmp_path / include.rpartition(" ")[2]
    # when, then
    with pytest.raises(ConfigError, match=f"include: no such file: '{re.escape(str(missing))}'$"):
        load_mover(file, {})
    # while wildcards may match nothing, which is told
    write(file, main("conf.d/*.ini", src_db="dbname=own"))
    settings = load_mover(file, {})
    assert [mover.source for mover in settings.movers] == [""]
    assert settings.warnings == (f"{file}: include: 'conf.d/*.ini' matches no file",)
