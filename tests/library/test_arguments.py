"""What a Mover is made of: without a database."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import queue_mover
from queue_mover import ConfigError, Mover
from queue_mover.config.kinds import BOOLEAN, COUNT, NUMBER, SECONDS
from queue_mover.config.parameters import SOURCE
from queue_mover.library.parameters import NAMES, NOT_HERE, Parameters
from tests.docs.pages import ROOT

WHOLE: dict[str, Any] = {
    "src_db": "dbname=a",
    "dst_db": "dbname=b",
    "queue_name": "q",
    "dst_queue_name": "q2",
    "consumer_name": "c",
}

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"src_db": ""}, r"Mover\(\): src_db: empty in \[arguments\]; it is the source database"),
    ({"consumer_name": ""}, r"Mover\(\): consumer_name: missing; it is the consumer"),
    ({"max_batch_event": 1}, r"max_batch_event: no such parameter.*did you mean max_batch_events"),
    ({"pidfile": "/tmp/x"}, "pidfile: no such parameter of a mover"),
    ({"max_batch_events": -1}, "max_batch_events: '-1' is not a whole number from 0"),
    ({"table_filter": ["a"]}, "table_filter: not a string, number or bool"),
    ({"keep_event_id": True, "write_with": "insert_event"}, "keep_event_id: .*assigns IDs"),
    ({"dst_db": "password=secret nonsense"}, "dst_db: "),
    ({"timeout": -1}, "timeout: -1 is not a number of seconds"),
    ({"source": "a"}, "source: there is no config file"),
]


@pytest.mark.parametrize(("wrong", "text"), REFUSED)
def test_what_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as raised:
        Mover(**{**WHOLE, **wrong})
    assert "secret" not in str(raised.value)


def test_arguments_are_literal_and_job_and_consumer_stand_for_each_other() -> None:
    odd: dict[str, Any] = {
        "queue_name": "100%",
        "dst_queue_name": "%(queue)s",
        "event_filter": "true or '%' = ''",
    }
    with Mover(**{**WHOLE, **odd}) as mover:
        assert (mover.queue, mover.target_queue) == ("100%", "%(queue)s")
        assert (mover.source, mover.consumer) == ("c", "c")
    with Mover(**{**WHOLE, "consumer_name": "", "job_name": "j"}) as mover:
        assert (mover.source, mover.consumer) == ("j", "j")


@pytest.mark.parametrize("config_format", [1, 2])
def test_arguments_are_literal_beside_a_file_too(tmp_path: Path, config_format: int) -> None:
    path = tmp_path / "mover.ini"
    lines = [f"{key} = {text}" for key, text in WHOLE.items()]
    path.write_text("\n".join(["[queue_mover3]", f"config_format = {config_format}", *lines]))
    with Mover(path, queue_name="%(x)s ${y}") as mover:
        assert mover.queue == "%(x)s ${y}"


def test_the_arguments_are_the_keys_of_the_table() -> None:
    table = {each.name: each for group in SOURCE for each in group.parameters}
    assert set(Parameters.__annotations__) == set(NAMES)
    assert set(NAMES) | NOT_HERE == set(table)
    types: dict[object, type] = {BOOLEAN: bool, COUNT: int, NUMBER: float, SECONDS: float}
    assert Parameters.__annotations__ == {name: types.get(table[name].kind, str) for name in NAMES}


def test_the_public_names_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "library.md").read_text()
    names = [name for name in queue_mover.__all__ if not name.startswith("_")]
    assert [name for name in names if not re.search(rf"`{name}\b", page)] == []
    public = [name for name in vars(Mover) if not name.startswith("_")]
    assert [name for name in public if f"`{name}" not in page] == []
    with pytest.raises(AttributeError, match="no attribute 'Moover'"):
        _ = queue_mover.Moover


def test_importing_the_package_imports_no_driver_and_sets_nothing_up() -> None:
    code = (
        "import sys, logging, signal; loaded = set(sys.modules); import queue_mover;"
        "new = set(sys.modules) - loaded;"
        "assert not {'psycopg', 'typing', 'queue_mover.library'} & new;"
        "before = signal.getsignal(signal.SIGINT);"
        "from queue_mover import Mover;"
        f"Mover(**{WHOLE!r}).close();"
        "assert signal.getsignal(signal.SIGINT) is before;"
        "assert not logging.getLogger().handlers;"
        "assert not logging.getLogger('queue_mover').handlers"
    )
    subprocess.run([sys.executable, "-S", "-c", f"import site; site.main(); {code}"], check=True)
