"""Move what is waiting, and end: for cron, or a systemd timer.

    python drain_once.py mover.ini

Exit code 0: all that was waiting has been moved. 1: an error, in one line on stderr; what was moved
before it is safe, and the next run continues there.
"""

import sys

from queue_mover import Mover, QueueMoverError


def main() -> int:
    """Returns the exit code."""
    events = 0
    try:
        with Mover(sys.argv[1]) as mover:
            for batch in mover:
                events += batch.events
    except QueueMoverError as error:
        print(f"drain_once: {error}", file=sys.stderr)
        return 1
    print(f"{events} events moved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
