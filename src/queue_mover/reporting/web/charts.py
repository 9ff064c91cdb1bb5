"""Charts of the last half hour: one step for each period."""

import math
from collections.abc import Sequence

from queue_mover.observation.history import PERIODS

HEIGHT = 24


def steps(values: Sequence[float], kind: str, meaning: str, *, at_least: float = 0.0) -> str:
    """An inline SVG, scaled to the highest value, or to `at_least` if that is higher. NaN (not
    known) leaves a gap.

    `kind`: its CSS class; `meaning`: its description for screen readers.
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
    """The height of a step; small values stay visible."""
    if not math.isfinite(share) or share <= 0:
        return 0
    return max(1, round(HEIGHT * share))
