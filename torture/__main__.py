"""`python -m torture`: see the package."""

import argparse
import secrets
import sys

from testbed.reaper import private_directory
from torture.disk import enter_own_mounts
from torture.fleet import LAYOUTS
from torture.rounds import Torture


def main() -> int:
    """Run. Returns 0 when nothing was wrong, else 1."""
    parser = argparse.ArgumentParser("torture", description="Break everything, lose nothing.")
    parser.add_argument("--seed", type=int, default=None, help="default: any; it is printed")
    parser.add_argument("--faults", type=int, default=500, help="at most so many")
    parser.add_argument("--seconds", type=float, default=1800, help="and for so long at most")
    parser.add_argument("--layout", choices=[*LAYOUTS, "both"], default="both")
    switches = parser.parse_args()
    enter_own_mounts()
    seed = secrets.randbelow(10**6) if switches.seed is None else switches.seed
    sys.stderr.write(f"seed {seed}\n")
    layouts = LAYOUTS if switches.layout == "both" else (switches.layout,)
    torture = Torture(seed, private_directory("torture-"), layouts)
    try:
        report = torture.run(switches.faults, switches.seconds)
    finally:
        torture.close()
    sys.stdout.write(f"{report}\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
