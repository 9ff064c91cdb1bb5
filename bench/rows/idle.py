"""An idle mover."""

import time

from bench import workload
from bench.contenders import Ports, Service, ancestors_design, queue_mover
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.workload import Workload
from testbed.process_usage import Usage, watch


def run(bench: Bench) -> Outcome:
    """Ours and the ancestor, both with loop_delay = 1."""
    seconds = bench.size(60, 2)
    counted = Ports(counted=True)
    contenders = [queue_mover(ports=counted), ancestors_design(ports=counted)]
    with workload.no_events(bench.servers) as empty:
        figures = {c.name: _idle(empty, c, seconds) for c in contenders}
    ours = figures[contenders[0].name]
    old = figures[contenders[1].name]
    return Outcome(
        "An idle mover, loop_delay 1 s",
        (
            Finding(
                "an idle mover: statements per second, CPU per hour",
                "vs the ancestor",
                f"{ours[0]:.1f} and {ours[1].load * 3600:.1f} s;"
                f" the ancestor: {old[0]:.1f} and {old[1].load * 3600:.1f} s",
                None,
            ),
        ),
        ("contender", "statements per second", "CPU seconds per hour", "resident memory, MiB"),
        tuple(
            (name, f"{per_second:.1f}", f"{usage.load * 3600:.1f}", f"{usage.memory:.0f}")
            for name, (per_second, usage) in figures.items()
        ),
    )


def _idle(empty: Workload, contender: Service, seconds: float) -> tuple[float, Usage]:
    """Statements per second, and what the process uses."""
    contender.prepare(empty)
    with contender.running(empty, loop_delay=1) as mover:
        time.sleep(3)
        empty.servers.reset_statements()
        usage = watch([mover.pid], seconds)
        statements = empty.servers.statements()
    return statements / usage.wall, usage
