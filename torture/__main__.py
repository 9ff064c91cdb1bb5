"""`python -m torture`: see the package."""

import argparse
import secrets
import signal
import sys

from testbed.reaper import private_directory
from torture.disk import enter_own_mounts
from torture.fleet import LAYOUTS
from torture.rounds import Torture


def main() -> int:
    """Run. Returns 0 if all checks passed, otherwise 1."""
    parser = argparse.ArgumentParser(
        "torture", description="Inject faults while events move, then account for every event."
    )
    parser.add_argument("--seed", type=int, default=None, help="default: random, and printed")
    parser.add_argument("--faults", type=int, default=500, help="at most this many")
    parser.add_argument("--seconds", type=float, default=1800, help="for at most this long")
    parser.add_argument("--layout", choices=[*LAYOUTS, "all"], default="all", help="of the movers")
    switches = parser.parse_args()
    # Where a shell's `&` has us ignore INT, a child would too, until its own command begins.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    enter_own_mounts()
    seed = secrets.randbelow(10**6) if switches.seed is None else switches.seed
    sys.stderr.write(f"seed {seed}\n")
    chosen = LAYOUTS if switches.layout == "all" else (switches.layout,)
    torture = Torture(seed, private_directory("torture-"), chosen)
    try:
        report = torture.run(switches.faults, switches.seconds)
    finally:
        torture.close()
    sys.stdout.write(f"{report}\n")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
