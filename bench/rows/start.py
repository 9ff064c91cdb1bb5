"""How long a start takes."""

import sys

from bench.figures import ratio, spread
from bench.outcome import Finding, Outcome
from bench.row import Bench
from testbed.process_usage import Usage, measure
from testbed.processes import script


def run(bench: Bench) -> Outcome:
    """The version switch, compared with importing the driver."""
    commands = {
        "queue_mover3 -V": [script("queue_mover3"), "-V"],
        'python -c "import psycopg"': [sys.executable, "-c", "import psycopg"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    usages: dict[str, list[Usage]] = {name: [] for name in commands}
    for _ in range(bench.size(41, 11)):
        for name, command in commands.items():
            usages[name].append(measure(command))
    walls = {name: [1000 * usage.wall for usage in runs] for name, runs in usages.items()}
    ours, driver, _ = walls.values()
    relative = ratio(ours, driver)
    return Outcome(
        "Start",
        (
            Finding(
                "`queue_mover3 -V`",
                'at most 1.5x `python -c "import psycopg"`',
                f"{relative.middle:.2f}x",
                relative.middle <= 1.5,
            ),
        ),
        ("command", "milliseconds", "peak memory, MiB"),
        tuple(
            (f"`{name}`", spread(walls[name]).show(0), spread([u.memory for u in runs]).show(1))
            for name, runs in usages.items()
        ),
    )
