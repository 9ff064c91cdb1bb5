"""Rows as aligned columns."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """Rows as lines of aligned columns, two blanks apart, none at the end of a line.

    alignment: one of "<" and ">" for each column. A row may be shorter than the others; its
    last cell then does not widen the column.
    """
    widths = [0] * len(alignment)
    for row in rows:
        full = len(row) == len(alignment)
        for index, cell in enumerate(row if full else row[:-1]):
            widths[index] = max(widths[index], len(cell))
    lines = []
    for row in rows:
        cells = [
            f"{cell:{align}{width}}"
            for cell, align, width in zip(row, alignment, widths, strict=False)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


NAMES = 8
"""Names that a line lists."""


def listed(names: Sequence[str]) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more
