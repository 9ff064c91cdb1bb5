"""Whatever stands in a file, only ConfigError comes out, in one line, and never a password."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from queue_mover.config import parameters
from queue_mover.config.loading import load_mover
from queue_mover.errors import ConfigError
from tests.config.files import lines

SECRET = "hunter2secret"

SYNTAX = st.text(alphabet="ab =:'\"\\%$(){}[]/@?&#;,~-_0\té\n", max_size=12)
CONNECT_PARTS = st.sampled_from(
    [
        "host=db1",
        "password=",
        " dbname=app ",
        "postgresql://",
        "postgres://mover:",
        "@db1:5432/app",
        "?sslmode=",
        "options='-c x=",
        "%(",
        ")s",
        "%",
        "'",
        " ",
    ]
)
GARBAGE = st.lists(SYNTAX | CONNECT_PARTS | st.just(SECRET) | st.text(max_size=5), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
KEYS = [
    parameter.name
    for group in parameters.MOVER
    for parameter in group.parameters
    if parameter.name not in ("src_db", "dst_db")
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets") / "mover.ini"


def refused(path: Path, content: bytes, overrides: dict[str, str] | None = None) -> str:
    """What the program says about a file; empty when it takes it."""
    path.write_bytes(content)
    try:
        load_mover(path, overrides or {})
    except ConfigError as error:
        said = str(error)
        assert said
        assert "\n" not in said
        return said
    return ""


def file_with(*further: str, without: tuple[str, ...] = ()) -> bytes:
    text = "\n".join(["[queue_mover3]", *lines(*further, without=without), ""])
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("key", ["src_db", "dst_db"])
@given(before=GARBAGE, after=GARBAGE)
@example(before=["password=", " ", SECRET], after=[" ", SECRET])
@example(before=["postgresql://", "mover:"], after=["@[db1/app"])
@example(before=["password='"], after=[])
@example(before=["%("], after=[")s"])
@example(before=[], after=["%"])
@example(before=["host=db1\n"], after=[])
@example(before=["host=db1\n["], after=["]\nx = 1"])
@example(before=["password=\ud800"], after=[])
def test_in_a_connect_string(path: Path, key: str, before: list[str], after: list[str]) -> None:
    value = "".join([*before, SECRET, *after])
    said = refused(path, file_with(f"{key} = {value}", without=(key,)))
    assert SECRET not in said


@given(before=GARBAGE, after=GARBAGE)
def test_in_a_connect_string_from_the_command_line(
    path: Path, before: list[str], after: list[str]
) -> None:
    value = "".join([*before, SECRET, *after])
    assert SECRET not in refused(path, file_with(), {"src_db": value})


@given(before=GARBAGE, after=GARBAGE)
def test_in_a_file_that_is_hardly_one(path: Path, before: list[str], after: list[str]) -> None:
    text = "".join([*before, f"password={SECRET}\n", *after])
    content = text.encode("utf-8", "surrogatepass")
    assert SECRET not in refused(path, content)
    assert SECRET not in refused(path, b"[queue_mover3]\nsrc_db = " + content)


@given(content=st.binary(max_size=40))
@example(content=b"\x00")
@example(content=b"src_db = \xff\xfe")
@example(content=b"[queue_mover3]\nx\xff\n")
def test_any_bytes(path: Path, content: bytes) -> None:
    refused(path, content)
    refused(path, file_with() + content)


@pytest.mark.parametrize("key", KEYS)
@given(value=st.text(max_size=20) | SYNTAX)
@example(value="~nobody-of-that-name/x")
@example(value="~")
@example(value="nan")
@example(value="\ud800")
@example(value="/etc/queue_mover/*.ini")
def test_any_value_of_any_key(path: Path, key: str, value: str) -> None:
    refused(path, file_with(f"{key} = {value}", without=(key,)))


@given(name=NAMES | st.sampled_from(KEYS), value=st.text(max_size=20))
def test_any_setting_from_the_command_line(path: Path, name: str, value: str) -> None:
    refused(path, file_with(), {name.lower(): value})
