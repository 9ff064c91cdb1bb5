"""A consumer on PgQ's own Python library: records the events of its batches, and retries some.

A program of its own: `recorder.py INI`, with `pgq.Consumer`'s keys in section [recorder].
"""

import sys
from typing import Any

import pgq

TABLE = """
    create table if not exists public.recorded (
        number bigserial primary key, batch int8, retry int4, ev_id int8, ev_time timestamptz,
        ev_type text, ev_data text, ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text)
"""
RETRIED = "again"
"""The type of the events that it wants once more."""


class Recorder(pgq.Consumer):
    """Records each event in the transaction that finishes its batch."""

    def process_batch(self, db: Any, batch_id: int, event_list: Any) -> None:
        """Record a batch."""
        cursor = db.cursor()
        for event in event_list:
            cursor.execute(
                "insert into public.recorded (batch, retry, ev_id, ev_time, ev_type, ev_data,"
                " ev_extra1, ev_extra2, ev_extra3, ev_extra4)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    batch_id,
                    event.retry,
                    event.id,
                    event.time,
                    event.type,
                    event.data,
                    event.extra1,
                    event.extra2,
                    event.extra3,
                    event.extra4,
                ],
            )
            if event.type == RETRIED and not event.retry:
                event.tag_retry(0)
            else:
                event.tag_done()


if __name__ == "__main__":
    Recorder("recorder", "db", sys.argv[1:]).start()
