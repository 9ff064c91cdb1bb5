"""`reader.py CONFIG`: what queue_mover3 does on its sources, and nothing else: the limit of a mover
whose target costs nothing.

A thread for each source allocates its batches, reads them whole, and finishes each with the next
one. With `loop_delay = 0` it ends when no tick is waiting, else on SIGINT. Prints how many batches
it has read.
"""

import signal
import sys
import time
from pathlib import Path
from threading import Event, Thread

from queue_mover.config.loading import load_mover
from queue_mover.config.settings import MoverSettings
from queue_mover.copying.copy import COLUMNS
from queue_mover.copying.shared_copy import read_rows
from queue_mover.model import Batch
from queue_mover.pgq.batches import has_work, next_batch, written_select
from queue_mover.service.mover_job import source_database


class Reader:
    """Reads the batches of one source."""

    def __init__(self, settings: MoverSettings) -> None:
        self._settings = settings
        self.batches = 0
        self.thread = Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        route, limits = self._settings.route, self._settings.limits
        delay = self._settings.process.loop_delay
        applied: Batch | None = None
        with source_database(self._settings).session() as source:
            while True:
                batch, _ = next_batch(source, route, limits, applied)
                applied = batch
                if batch is not None:
                    select = written_select(batch, route, COLUMNS)
                    read_rows(source, select, route.source_flavour, lambda _: True)
                    self.batches += 1
                    continue
                if not delay:
                    return
                while not has_work(source, route):
                    time.sleep(delay)


def main(path: str) -> None:
    """Read all sources of a config."""
    stopped = Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    settings = load_mover(Path(path), {})
    readers = [Reader(each) for each in settings.movers]
    for reader in readers:
        reader.thread.start()
    if settings.process.loop_delay:
        stopped.wait()
    else:
        for reader in readers:
            reader.thread.join()
    print(sum(reader.batches for reader in readers))


if __name__ == "__main__":
    main(sys.argv[1])
