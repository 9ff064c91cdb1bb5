"""A stand-in for a Skytools mover: its statements, its pidfile, and no locks.

As a program (`python -m testbed.legacy_mover CONFIG`) it runs until SIGINT, like the original.
"""

import configparser
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

FIELDS = "ev_time, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4"


class LegacyMover:
    """Moves the batches of one consumer; each step can be run by itself."""

    def __init__(
        self, source: str, target: str, queue: str, consumer: str, target_queue: str
    ) -> None:
        """Connect to both databases."""
        # The original's driver prepares nothing, either.
        name: dict[str, Any] = {"application_name": consumer, "prepare_threshold": None}
        self.source = psycopg.connect(source, **name)
        self.target = psycopg.connect(target, **name)
        self._queue = queue
        self.consumer = consumer
        self._target_queue = target_queue
        self.batch: int | None = None
        self.position: int | None = None

    def move(self) -> bool:
        """Move the next batch; returns whether there was one."""
        if not self.take():
            return False
        self.apply()
        self.target.commit()
        self.finish()
        return True

    def take(self) -> bool:
        """Get the next batch from the source; returns whether there was one."""
        row = self.source.execute(
            "select batch_id, prev_tick_id, cur_tick_id from pgq.next_batch_info(%s, %s)",
            [self._queue, self.consumer],
        ).fetchone()
        self.source.commit()
        assert row is not None
        self.batch, self._start, self._end = row
        return self.batch is not None

    def apply(self) -> None:
        """Write the batch and its position, unless the target has them; does not commit."""
        row = self.target.execute("select pgq_ext.get_last_tick(%s)", [self.consumer]).fetchone()
        self.position = row[0] if row else None
        if self.position == self._end:
            return
        if self.position not in (None, self._start):
            raise RuntimeError(
                f"Lost position: batch {self._start}..{self._end}, dst {self.position}"
            )
        events = self.source.execute(
            f"select {FIELDS} from pgq.get_batch_events(%s) order by ev_id", [self.batch]
        ).fetchall()
        self.source.commit()
        row = self.target.execute(
            "select pgq.current_event_table(%s)", [self._target_queue]
        ).fetchone()
        assert row is not None
        table = sql.Identifier(*row[0].split("."))
        copy = sql.SQL("copy {} ({}) from stdin").format(table, sql.SQL(FIELDS))
        with self.target.cursor() as cursor, cursor.copy(copy) as rows:
            for event in events:
                rows.write_row(event)
        self.set_position()

    def set_position(self) -> None:
        """Record the batch's end on the target, whatever stands there by now."""
        self.target.execute(
            "select pgq_ext.set_last_tick(%s, %s::bigint)", [self.consumer, self._end]
        )

    def finish(self) -> None:
        """Finish the batch on the source."""
        self.source.execute("select pgq.finish_batch(%s)", [self.batch])
        self.source.commit()

    def close(self) -> None:
        """Close both connections."""
        self.source.close()
        self.target.close()


def main() -> None:
    """Move until SIGINT; the pidfile is written, not locked, and removed at the end."""
    ini = configparser.ConfigParser()
    ini.read(sys.argv[1])
    section = ini[ini.sections()[0]]
    pidfile = Path(section["pidfile"])
    stopping: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: stopping.append(number))
    pidfile.write_text(f"{os.getpid()}\n")
    consumer = section.get("consumer_name", section.get("job_name", ""))
    mover = LegacyMover(
        section["src_db"],
        section["dst_db"],
        section["queue_name"],
        consumer,
        section["dst_queue_name"],
    )
    while not stopping:
        if not mover.move():
            time.sleep(section.getfloat("loop_delay", 1.0))
    mover.close()
    with suppress(FileNotFoundError):
        pidfile.unlink()


if __name__ == "__main__":
    main()
