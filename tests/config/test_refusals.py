"""What is wrong with a file is told in one line: the file, the key, the value, the remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from queue_mover.config.loading import load_admin, load_mover
from queue_mover.errors import ConfigError
from tests.config.files import REQUIRED, load, write


def refusal(run: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as refused:
        run()
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_the_file_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "mover.ini"
    assert refusal(lambda: load_mover(path, {})) == f"Config file not found: {path}"


def test_the_file_is_a_directory(tmp_path: Path) -> None:
    said = refusal(lambda: load_mover(tmp_path, {}))
    assert said == f"Config file not readable: {tmp_path}: Is a directory"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("src_db = dbname=x\n[queue_mover3]\n", "line 1: before any [section]"),
        (
            "[queue_mover3]\nloop_delay = 1\nwhat is this\n",
            "line 3: not of the form key = value",
        ),
        ("[queue_mover3]\n= 5\n", "line 2: not of the form key = value"),
        ("[queue_mover3\nsrc_db = dbname=x\n", "line 1: before any [section]"),
        ("", "no section [queue_mover3]"),
        ("[londiste3]\nqueue_name = x\n", "no section [queue_mover3]"),
        ("[queue_mover_3]\nqueue_name = x\n", "no section [queue_mover3]"),
    ],
)
def test_the_text_is_not_an_ini_file(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mover.ini"
    path.write_text(text)
    assert refusal(lambda: load_mover(path, {})) == f"{path}: {said}"


MEANINGS = {
    "src_db": "source database, as a libpq connect string",
    "dst_db": "target database, as a libpq connect string",
    "queue_name": "queue on the source",
    "dst_queue_name": "queue on the target",
}


@pytest.mark.parametrize("section", ["queue_mover3", "queue_mover"])
@pytest.mark.parametrize("key", REQUIRED)
def test_a_required_key_is_missing(tmp_path: Path, key: str, section: str) -> None:
    said = refusal(lambda: load(tmp_path, without=[key], section=section))
    path = tmp_path / "mover.ini"
    assert said == f"{path}: {key}: missing from [{section}]; it is the {MEANINGS[key]}"


@pytest.mark.parametrize("key", REQUIRED)
def test_a_required_key_is_empty(tmp_path: Path, key: str) -> None:
    said = refusal(lambda: load(tmp_path, f"{key} =", without=[key]))
    path = tmp_path / "mover.ini"
    assert said == f"{path}: {key}: empty in [queue_mover3]; it is the {MEANINGS[key]}"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("loop_delay", "soon", "'soon' is not a number"),
        ("loop_delay", "nan", "'nan' is not a number"),
        ("exception_sleep", "-1", "'-1' is not a number of seconds, 0 or more"),
        ("max_batch_events", "lots", "'lots' is not a whole number"),
        ("log_count", "-3", "'-3' is not a whole number from 0 to 2147483647"),
        ("use_skylog", "yes", "'yes' is not a whole number"),
        ("auto_register", "2", "'2' is not 0 or 1 (yes/no, true/false, on/off)"),
        ("logfile", "~nobody-of-that-name/x", "'~nobody-of-that-name/x' is not"),
    ],
)
def test_a_value_of_the_wrong_kind(tmp_path: Path, key: str, value: str, said: str) -> None:
    text = refusal(lambda: load(tmp_path, f"{key} = {value}"))
    assert text.startswith(f"{tmp_path / 'mover.ini'}: {key}: {said}")


@pytest.mark.parametrize("key", ["src_db", "dst_db"])
@pytest.mark.parametrize(
    "value",
    [
        "dbname",
        "host=db1 password=hun ter2",
        "host=db1 password='hunter2",
        "hunter2",
        "postgresql://mover:hunter2@[db1/app",
        "postgresql://mover:hunter2@db1/app?nosuch=1",
        "host=db1 password=hunter2 nosuch=1",
        "host=db1 password=not quoted hunter2=x",
    ],
)
def test_a_connect_string_is_not_shown(tmp_path: Path, key: str, value: str) -> None:
    said = refusal(lambda: load(tmp_path, f"{key} = {value}", without=[key]))
    assert said == (
        f"{tmp_path / 'mover.ini'}: {key}: not a connect string; write key=value pairs"
        " ('host=db1 dbname=app') or a URI ('postgresql://db1/app')"
    )


@pytest.mark.parametrize(
    ("value", "key", "right"),
    [
        ("pass=hunter2", "pass", "password"),
        ("host=db1 passwd=hunter2", "passwd", "password"),
        ("host=db1 pasword=hunter2", "pasword", "password"),
        ("host=db1 db=hunter2", "db", "dbname"),
        ("dbnam=app password=hunter2", "dbnam", "dbname"),
        ("postgresql://mover:hunter2@db1/app?pass=hunter2", "pass", "password"),
    ],
)
def test_a_bad_key_of_a_connect_string_is_named(
    tmp_path: Path, value: str, key: str, right: str
) -> None:
    said = refusal(lambda: load(tmp_path, f"src_db = {value}", without=["src_db"]))
    assert f'src_db: not a connect string: no key "{key}" in it, did you mean {right}?' in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("misspelt", "told"),
    [
        ("dst_queue", "dst_queue: unknown key, did you mean dst_queue_name?"),
        ("loop_dealy", "loop_dealy: unknown key, did you mean loop_delay?"),
        ("source_db", "source_db: unknown key, did you mean src_db?"),
        ("xyzzy", "xyzzy: unknown key"),
        ("node_name", "node_name: unknown key"),
        ("node_location", "node_location: unknown key"),
        ("loop_delay_ms", "loop_delay_ms: unknown key"),
        ("exception_sleep_min", "exception_sleep_min: unknown key"),
    ],
)
def test_a_misspelt_key_is_told_and_does_not_stop_it(
    tmp_path: Path, misspelt: str, told: str
) -> None:
    settings = load(tmp_path, f"{misspelt} = x")
    assert settings.warnings == (f"{tmp_path / 'mover.ini'}: {told}",)


def test_admin_files_are_told_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ticker.ini"
    path.write_text("[pgqadm]\nmaint_delay = often\ndb = dbname=x\n")
    said = refusal(lambda: load_admin(path, {}))
    assert said == f"{path}: maint_delay: 'often' is not a number"
    path.write_text("[pgqadm]\nmaint_dely = 5\n")
    said = refusal(lambda: load_admin(path, {}))
    assert said == (
        f"{path}: db: missing from [pgqadm]; it is the database, as a libpq connect string"
    )
    path = write(tmp_path)
    assert refusal(lambda: load_admin(path, {})).startswith(
        f"{path}: no section [pgqadm]; it is a mover's file;"
        f" remedy: pgqadm.py status --movers {path}"
    )


@pytest.mark.parametrize("key", ["maint_delay_mn", "retry_delay_min", "node_name", "maint_period"])
def test_an_admin_file_is_not_told_of_a_key_of_another_meaning(tmp_path: Path, key: str) -> None:
    path = tmp_path / "ticker.ini"
    path.write_text(f"[pgqadm]\ndb = dbname=x\n{key} = 5\n")
    assert load_admin(path, {}).warnings == (f"{path}: {key}: unknown key",)


def test_what_the_program_sets_may_stand_in_a_shared_file(tmp_path: Path) -> None:
    assert load(tmp_path, "host_name = db7", "service_name = mover").warnings == ()
