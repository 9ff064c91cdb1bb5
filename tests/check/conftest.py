"""What the tests of --check share."""

import json
from pathlib import Path
from typing import Any

import pytest

from queue_mover.config.loading import load_mover
from queue_mover.config.settings import MoverSettings, Settings
from testbed.database import Database
from testbed.ini import write_sections
from testbed.processes import Argument, Result, run, script
from testbed.queues import create_queue, tick


def check(*words: Argument) -> Result:
    """Run it to its end, in the folder of its config."""
    config = next(word for word in words if isinstance(word, Path))
    return run([script("queue_mover3"), "--check", *words], cwd=config.parent)


def document(*words: Argument) -> Any:
    """The same, as JSON; exit code and document must agree."""
    result = check("--json", *words)
    found = json.loads(result.stdout)
    assert found["exit_code"] == result.returncode
    return found


def findings(found: Any) -> list[dict[str, Any]]:
    """All that is wrong by a document, in order."""
    return [finding for line in found["checks"] for finding in line["findings"]]


def codes(found: Any) -> list[tuple[str, str, str | None]]:
    """The same in short: the topic, the code, the source."""
    return [
        (line["topic"], finding["code"], line["source"])
        for line in found["checks"]
        for finding in line["findings"]
    ]


def results(found: Any) -> dict[str, str]:
    """How each topic came out, for a file with one source."""
    return {line["topic"]: line["result"] for line in found["checks"]}


@pytest.fixture
def config(tmp_path: Path, source_db: Database, target_db: Database) -> Path:
    """A config of a mover that can start: two queues with fresh ticks, a registered consumer."""
    with source_db.connect() as source, target_db.connect() as target:
        create_queue(source, "here")
        create_queue(target, "there")
        source.execute("select pgq.register_consumer('here', 'job')")
        tick(source, "here")
        tick(target, "there")
    return ini(tmp_path, source_db.conninfo(), target_db.conninfo())


def ini(folder: Path, src_db: str, dst_db: str, **main: object) -> Path:
    """A config file."""
    settings = {"job_name": "job", "src_db": src_db, "dst_db": dst_db, "queue_name": "here",
                "dst_queue_name": "there", "pidfile": "job.pid", "logfile": "job.log"}  # fmt: skip
    return write_sections(folder / "job.ini", {"queue_mover3": {**settings, **main}})


def loaded(path: Path) -> Settings:
    """The settings in a file."""
    return load_mover(path, {})


def mover(path: Path) -> MoverSettings:
    """The only mover of a file."""
    (found,) = loaded(path).movers
    return found
