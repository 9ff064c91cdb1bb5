"""The table as rich draws it, below the log lines."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from queue_mover.observation.progress import State
from queue_mover.reporting.terminal import rows
from queue_mover.reporting.terminal.estimates import Reading
from queue_mover.reporting.terminal.rows import Row
from queue_mover.reporting.terminal.stream import Lines

LOG_ROOM = 6
"""Lines of the screen that are left to the log."""

ERROR_ROOM = 3
"""Lines for errors."""

WIDE = 90
"""The width, in columns, from which all cells fit."""

ECHO = 3
"""Columns left free for the ^C that a terminal echoes: in the last one it would move the table."""

_STYLES = {
    State.RUNNING.value: "green",
    State.STANDBY.value: "cyan",
    State.FAILING.value: "bold red",
    State.STOPPED.value: "bold red",
}


class Screen:
    """The lower part of a terminal."""

    def __init__(self, lines: Lines) -> None:
        """`lines`: where the log goes while the screen is shown."""
        self._console = Console(file=lines.terminal, highlight=False, markup=False, emoji=False)
        self._lines = lines
        self._live: Live | None = None
        self._shown: list[str] = []

    def show(self, title: str, readings: Sequence[Reading], *, choose: bool) -> None:
        """Redraw it below the new log lines. `choose`: select again the sources that fit."""
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        for line in self._lines.take():
            self._console.print(Text(line), soft_wrap=True)
        self._live.update(self._drawn(title, readings, choose=choose), refresh=True)

    def hide(self) -> None:
        """Remove it; log lines go to the terminal."""
        live, self._live = self._live, None
        if live:
            live.stop()

    def _drawn(self, title: str, readings: Sequence[Reading], *, choose: bool) -> RenderableType:
        width, height = self._console.width - ECHO, self._console.height
        errors = rows.problems(readings, min(ERROR_ROOM, max(0, height - LOG_ROOM - 4)))
        # The title, the header, the total, and the line about others.
        room = max(1, height - LOG_ROOM - 4 - len(errors))
        names = {reading.mover.source for reading in readings}
        if choose or not names.issuperset(self._shown) or len(self._shown) != min(room, len(names)):
            self._shown = [readings[i].mover.source for i in rows.choose(readings, room)]
        shown = [each for each in readings if each.mover.source in set(self._shown)]
        table = _table(width)
        if len(readings) > 1:
            table.add_row(*_cells(rows.total(readings), width), style="bold")
        for reading in shown:
            table.add_row(*_cells(rows.row(reading), width))
        parts: list[RenderableType] = [_line(title, "dim", width), table]
        if len(shown) < len(readings):
            hidden = set(names).difference(self._shown)
            rest = [each for each in readings if each.mover.source in hidden]
            parts.append(_line(rows.others(rest), "dim", width))
        return Group(*parts, *(_line(error, "red", width) for error in errors))


def _line(text: str, style: str, width: int) -> Text:
    line = Text(text, style=style, no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


def _table(width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", width=width)
    table.add_column("source", no_wrap=True, overflow="ellipsis", ratio=2, min_width=10)
    table.add_column("state", no_wrap=True)
    table.add_column("moved", ratio=3, min_width=6)
    table.add_column("", justify="right", no_wrap=True, min_width=4)
    for name in ("backlog", "time left", "events/s", "lag"):
        table.add_column(name, justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("batch", justify="right", no_wrap=True, min_width=15)
        table.add_column("errors", justify="right", no_wrap=True)
    return table


def _cells(row: Row, width: int) -> list[RenderableType]:
    bar: RenderableType = ""
    share = ""
    if row.share is not None:
        share = f"{row.share:.0%}"
        bar = ProgressBar(total=1.0, completed=row.share)
    style = "bold red" if row.broken else _STYLES.get(row.state, "")
    cells: list[RenderableType] = [
        Text(row.name),
        Text(row.state, style=style),
        bar,
        Text(share),
        Text(row.left),
        Text(row.time_left),
        Text(row.rate),
        Text(row.lag),
    ]
    if width >= WIDE:
        cells += [Text(row.batch), Text(row.errors, style="red")]
    return cells
