"""`python -m demo`: show the main job.

In the environment, KEEP=1 leaves it running, and RECORD=FILE.svg writes a picture of it.
"""

import os
import signal
import sys
import time
from pathlib import Path

import psycopg

from demo import kept
from demo.picture import svg
from demo.recording import Recording, paced
from demo.screen import Screen
from demo.servers import DemoError
from demo.story import Story
from testbed.choice import VARIABLES, MissingProgramError
from testbed.cluster import ClusterError

USAGE = (
    "usage: python -m demo [stop DIRECTORY]\n"
    "KEEP=1 in the environment leaves it running, RECORD=FILE.svg writes a picture of it"
)
INTERRUPTED = 130
FAILURES = (DemoError, MissingProgramError, ClusterError, TimeoutError, psycopg.Error)


def main(arguments: list[str]) -> int:
    """Run the demo, or remove what KEEP=1 left running. Returns the exit code."""
    match arguments:
        case []:
            return show()
        case ["stop", directory]:
            error = kept.stop(Path(directory).absolute())
            print(error or "Stopped and removed.")
            return 1 if error else 0
        case _:
            print(USAGE, file=sys.stderr)
            return 2


def show() -> int:
    """Run the demo. Returns 0 if every event arrived as it should."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    for name in [n for n in os.environ if n.startswith("PG") and n not in VARIABLES]:
        # libpq's variables would redirect connections.
        del os.environ[name]
    picture = os.environ.get("RECORD", "")
    if picture and not Path(picture).parent.is_dir():
        print(f"RECORD={picture}: no such folder; remedy: mkdir {Path(picture).parent}")
        return 2
    recording = Recording() if picture else None
    screen = Screen(recording)
    began = time.monotonic()
    try:
        found = Story(screen, keep=os.environ.get("KEEP", "") not in ("", "0")).play()
    except KeyboardInterrupt:
        screen.gap()
        screen.say("Interrupted. Servers and mover stopped, files removed.")
        return INTERRUPTED
    except FAILURES as error:
        screen.verdict("The demo failed.", good=False)
        screen.say(*str(error).splitlines())
        return 1
    arrived = sum(sum(shard.arrived) for shard in found.comparisons.values())
    screen.gap()
    seconds = time.monotonic() - began
    screen.say(f"{arrived:,} events in {seconds:.0f} seconds: {found.summary()}.")
    if recording and found.good:
        Path(picture).write_text(svg(paced(recording.rows())))
        screen.say(f"Picture of this run: {picture}")
    elif recording:
        screen.say(f"No picture, because the demo failed: {picture} is as before.")
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
