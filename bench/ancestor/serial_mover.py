"""The ancestor's design: fetch a batch's events, collect them as rows, insert them in bulk.

Written for the benchmark; runs in its own virtual environment.
"""

import sys
from typing import Any

import pgq

COLUMNS = ["time", "type", "data", "extra1", "extra2", "extra3", "extra4"]


class SerialMover(pgq.SerialConsumer):
    """Applies each batch together with its position, in one transaction on the target."""

    def process_remote_batch(self, db: Any, batch_id: int, event_list: Any, dst_db: Any) -> None:
        """Move one batch."""
        rows = [[getattr(event, name) for name in COLUMNS] for event in event_list]
        if rows:
            queue = self.cf.get("dst_queue_name")
            pgq.bulk_insert_events(dst_db.cursor(), rows, COLUMNS, queue)


if __name__ == "__main__":
    SerialMover("queue_mover3", "src_db", "dst_db", sys.argv[1:]).start()
