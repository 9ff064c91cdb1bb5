"""The last half hour as a small picture: one bar for each period."""

import math
from collections.abc import Sequence

from queue_mover.observation.history import PERIODS

HEIGHT = 24


def bars(values: Sequence[float], kind: str, meaning: str) -> str:
    """An inline SVG, its highest bar as high as it is; empty where nothing is known.

    `kind`: its class; `meaning`: in words, for those who cannot see it and for the pointer.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    highest = max(known) or 1.0
    path = []
    for index, value in enumerate(values):
        if math.isfinite(value) and value > 0:
            height = max(1, round(HEIGHT * value / highest))
            path.append(f"M{2 * index + 1} {HEIGHT}v-{height}")
    base = f'<path class="base" d="M0 {HEIGHT - 0.5}H{2 * PERIODS}"/>'
    return (
        f'<svg class="{kind}" viewBox="0 0 {2 * PERIODS} {HEIGHT}" preserveAspectRatio="none"'
        f' role="img"><title>{meaning}</title>{base}<path d="{"".join(path)}"/></svg>'
    )
