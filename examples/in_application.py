"""A mover in a thread of an application, which it neither delays nor outlives.

    python in_application.py "dbname=app" "dbname=central" app_events all_events

SIGINT or SIGTERM ends it: after the batch in progress, or without it where that takes too long.
"""

import logging
import os
import signal
import sys
import threading

from queue_mover import MovedBatch, Mover, UnavailableError

RETRY = 1.0
"""Seconds between attempts while a server is unavailable."""

PATIENCE = 10.0
"""Seconds that a stop waits for the batch in progress."""

log = logging.getLogger("application")


class MoverThread:
    """Moves events until it is stopped; a context manager."""

    def __init__(self, mover: Mover) -> None:
        self.mover = mover
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="mover")

    def _run(self) -> None:
        try:
            with self.mover:
                self._move()
        except Exception as error:
            # The application decides: here it ends.
            self.error = error
            os.kill(os.getpid(), signal.SIGTERM)

    def _move(self) -> None:
        while not self.mover.stopped:
            try:
                for batch in self.mover:
                    self._moved(batch)
            except UnavailableError as error:
                # Time mends this one. An operator must mend the others.
                log.warning("%s; retrying in %g s", error, RETRY)
                self.mover.sleep(RETRY)

    def _moved(self, batch: MovedBatch) -> None:
        log.info("%d events up to tick %d", batch.events, batch.ticks.last)

    def __enter__(self) -> "MoverThread":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mover.stop()
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            # It is rolled back; the next start moves it again.
            self.mover.abandon()
            self._thread.join()


def main() -> int:
    """The application: it waits for its end. Returns the exit code."""
    logging.basicConfig(level=logging.INFO)
    src_db, dst_db, queue_name, dst_queue_name = sys.argv[1:]
    mover = Mover(
        src_db=src_db,
        dst_db=dst_db,
        queue_name=queue_name,
        dst_queue_name=dst_queue_name,
        consumer_name="application",
        follow=True,
    )
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with MoverThread(mover) as thread:
        signal.sigwait(signals)
    if thread.error:
        log.error("%s", thread.error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
