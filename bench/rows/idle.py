"""A mover that has nothing to do."""

import tempfile
import time
from pathlib import Path

from bench import work
from bench.contenders import Ports, Service, forebear, queue_mover
from bench.living import Life, watch
from bench.outcome import Finding, Outcome
from bench.row import Bench
from bench.work import Work
from testbed.processes import Process


def run(bench: Bench) -> Outcome:
    """Ours and the ancestor, both with loop_delay = 1."""
    seconds = bench.size(60, 2)
    counted = Ports(counted=True)
    contenders = [queue_mover(ports=counted), forebear(ports=counted)]
    with work.empty_work(bench.ground) as nothing:
        figures = {c.name: _idle(nothing, c, seconds) for c in contenders}
    ours = figures[contenders[0].name]
    old = figures[contenders[1].name]
    return Outcome(
        "An idle mover, loop_delay 1 s",
        (
            Finding(
                "an idle mover: statements per second, CPU per hour",
                "beside the ancestor's",
                f"{ours[0]:.1f} and {ours[1].cpu * 3600:.1f} s;"
                f" the ancestor: {old[0]:.1f} and {old[1].cpu * 3600:.1f} s",
                None,
            ),
        ),
        ("contender", "statements per second", "CPU seconds per hour", "resident memory, MiB"),
        tuple(
            (name, f"{per_second:.1f}", f"{life.cpu * 3600:.1f}", f"{life.memory:.0f}")
            for name, (per_second, life) in figures.items()
        ),
    )


def _idle(nothing: Work, contender: Service, seconds: float) -> tuple[float, Life]:
    contender.prepare(nothing)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ini = contender.ini(nothing, folder, {"loop_delay": "1"})
        with Process([*contender.command, ini], folder, name="mover") as mover:
            time.sleep(3)
            nothing.ground.forget_statements()
            life = watch([mover.pid], seconds)
            statements = nothing.ground.statements()
            mover.stop()
    return statements / life.seconds, life
