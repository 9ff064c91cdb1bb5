"""The last half hour as a small picture: one step for each period."""

import math
from collections.abc import Sequence

from queue_mover.observation.history import PERIODS

HEIGHT = 24


def steps(values: Sequence[float], kind: str, meaning: str, *, at_least: float = 0.0) -> str:
    """An inline SVG, in which the highest value, or `at_least`, is as high as it is. Where nothing
    is known it shows nothing.

    `kind`: its class; `meaning`: in words, for those who cannot see it.
    """
    known = [value for value in values if math.isfinite(value)]
    highest = max([at_least, *known]) or 1.0
    path, height, run = [f"M0 {HEIGHT}"], 0, 0
    for value in values:
        now = _height(value / highest)
        if now != height:
            path.append(f"h{run}v{height - now}" if run else f"v{height - now}")
            height, run = now, 0
        run += 2
    path.append(f"h{run}v{height}z")
    return (
        f'<svg class="{kind}" viewBox="0 0 {2 * PERIODS} {HEIGHT}" preserveAspectRatio="none"'
        f' role="img" aria-label="{meaning}"><path d="{"".join(path)}"/></svg>'
    )


def _height(share: float) -> int:
    """Of a step; what is little is still seen."""
    if not math.isfinite(share) or share <= 0:
        return 0
    return max(1, round(HEIGHT * share))
