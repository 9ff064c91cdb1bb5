"""Horizontal bar charts as SVG, readable on light and dark pages."""

from xml.sax.saxutils import escape

from bench.outcome import Bar, Chart

WIDTH, LEFT, RIGHT = 760, 210, 150
TOP, STEP, THICK = 48, 34, 20
OURS, OTHERS, INK, PALE = "#2a7ab8", "#9aa5b1", "#6b7785", "#8a94a0"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'


def svg(chart: Chart) -> str:
    """The chart as an SVG document."""
    height = TOP + STEP * len(chart.bars) + 12
    longest = max(bar.high for bar in chart.bars) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / longest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}'
        f' role="img" aria-label="{escape(chart.title)}">',
        f'<text x="0" y="18" font-weight="bold" fill="{INK}">{escape(chart.title)}</text>',
        f'<text x="0" y="36" font-size="11" fill="{PALE}">{escape(chart.unit)},'
        " less is better; the line spans minimum to maximum</text>",
    ]
    for number, bar in enumerate(chart.bars):
        parts += _bar(bar, TOP + STEP * number, scale)
    return "\n".join([*parts, "</svg>", ""])


def _bar(bar: Bar, top: float, scale: float) -> list[str]:
    color = OURS if "queue_mover3" in bar.label else OTHERS
    middle = top + THICK / 2
    length = max(bar.value * scale, 1.0)
    low, high = LEFT + bar.low * scale, LEFT + bar.high * scale
    return [
        f'<text x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end" fill="{INK}">'
        f"{escape(bar.label)}</text>",
        f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{THICK}" rx="2" fill="{color}"/>',
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"'
        f' stroke="{INK}" stroke-width="1.5"/>',
        f'<text x="{max(high, LEFT + length) + 8:.1f}" y="{middle + 4:.1f}" fill="{INK}">'
        f"{_number(bar.value)}</text>",
    ]


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
