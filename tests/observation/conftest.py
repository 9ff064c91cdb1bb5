"""What the tests of observations share."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from queue_mover.config.loading import load_mover
from queue_mover.config.settings import MoverSettings
from testbed.database import Database
from testbed.ini import ini_text
from testbed.queues import create_queue

Make = Callable[..., list[MoverSettings]]


@pytest.fixture
def make(tmp_path: Path, target: psycopg.Connection, target_db: Database) -> Make:
    """Movers into target_db, by the connect strings of their sources; with their target queues."""

    def movers(main: dict[str, object] | None = None, **sources: str) -> list[MoverSettings]:
        settings: dict[str, object] = {"dst_db": target_db.conninfo(), "queue_name": "q",
                                       "dst_queue_name": "all"}  # fmt: skip
        # Each its own queue of the target: several of them may read the same source.
        sections = {
            f"source:{name}": {"src_db": text, "dst_queue_name": f"all_{name}"}
            for name, text in sources.items()
        }
        for name in sources:
            create_queue(target, f"all_{name}")
        file = tmp_path / "job.ini"
        file.write_text(ini_text({"queue_mover3": {**settings, **(main or {})}, **sections}))
        return list(load_mover(file, {}).movers)

    return movers
