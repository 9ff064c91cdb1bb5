"""Move only at night, and no faster than so many events a second.

    python at_night.py mover.ini 22 6 5000

The hours are this machine's. SIGINT or SIGTERM ends it after the batch in progress.
"""

import signal
import sys
from datetime import datetime

from queue_mover import Mover, QueueMoverError

LOOK = 60.0
"""Seconds between looks at the clock, and at the queue when it is empty."""


def is_open(hour: int, begin: int, end: int) -> bool:
    """Whether an hour is in a window, which may span midnight."""
    return begin <= hour < end if begin <= end else hour >= begin or hour < end


def main() -> int:
    """Returns the exit code."""
    begin, end, rate = (int(word) for word in sys.argv[2:])
    # Small batches: the hour is looked at, and the pace kept, between two of them.
    with Mover(sys.argv[1], max_batch_events=max(rate, 1)) as mover:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: mover.stop())
        print(f"moving {mover.queue} from {begin} to {end} o'clock", flush=True)
        while not mover.stopped:
            batch = None
            if is_open(datetime.now().astimezone().hour, begin, end):
                batch = mover.move_batch()
            if batch is None:
                mover.sleep(LOOK)
            else:
                print(f"{batch.events} events in {batch.seconds:.2f} s", flush=True)
                mover.sleep(batch.events / rate - batch.seconds)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except QueueMoverError as error:
        sys.exit(f"at_night: {error}")
