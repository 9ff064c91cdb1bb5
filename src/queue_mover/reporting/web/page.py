"""The page: one poll and one snapshot as an HTML document. Pure functions."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from queue_mover import __version__
from queue_mover.observation.findings import Finding, marks
from queue_mover.observation.formatting import counted, duration, number
from queue_mover.observation.history import PERIOD
from queue_mover.observation.overview import SourceView
from queue_mover.observation.progress import ErrorSeen, MoverSnapshot, ProcessSnapshot, State
from queue_mover.reporting.web.backlog import backlog
from queue_mover.reporting.web.charts import steps
from queue_mover.reporting.web.health import is_healthy
from queue_mover.reporting.web.looker import Seen
from queue_mover.reporting.web.style import STYLE
from queue_mover.reporting.web.verdict import where_is_it_slow

REFRESH = 15
"""Seconds after which a browser reloads the page."""

TALL = 60.0
"""The least scale of a lag chart, in seconds: a small lag stays small."""

OPEN = 5
"""With more entries than this the list of problems starts collapsed."""

PAST = 20
"""The most sources whose past errors are shown."""

RECENT = 10
"""Periods of `history` over which events per second are averaged: five minutes."""

_COLUMNS = (
    ("Source", ""), ("State", ""), ("Lag", "n"), ("Lag, last 30 min", "chart"),
    ("Events/s", "n"), ("Events, last 30 min", "chart"), ("Waiting", "n"), ("Last batch", "n"),
    ("Quarantined", "n"),
)  # fmt: skip
"""The style sheet repeats the titles, for narrow windows."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One source: its snapshot in the process, and what the last poll found."""

    mover: MoverSnapshot
    view: SourceView | None
    lags: tuple[float, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.view.findings if self.view else ()

    @property
    def in_trouble(self) -> bool:
        return bool(self.findings) or not is_healthy(self.mover)


def page(process: ProcessSnapshot, seen: Seen | None, *, only_trouble: bool = False) -> str:
    """The whole document. `only_trouble`: leave out sources without problems."""
    views = {view.source.name: view for view in seen.overview.sources} if seen else {}
    lags = seen.lags if seen else {}
    rows = [
        _Row(mover, views.get(mover.source), lags.get(mover.source, ())) for mover in process.movers
    ]
    # What needs attention first; else in the order of the file.
    rows.sort(key=lambda row: not row.in_trouble)
    troubled = [row for row in rows if row.in_trouble]
    job = escape(process.job)
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<meta http-equiv="refresh" content="{REFRESH}">'
            f"<title>{_title(len(troubled))}{job} - queue_mover</title>"
            f"<style>{STYLE}</style></head><body><h1>{job}</h1>",
            _summary(process, seen),
            _verdict(process, seen),
            _troubles(troubled, seen),
            _choice(len(troubled), len(rows), only_trouble=only_trouble),
            _table(troubled if only_trouble else rows),
            _recovered(rows),
            '<footer class="soft">The same for programs: <a href="/metrics">/metrics</a>,'
            ' <a href="/status.json">/status.json</a>, <a href="/healthz">/healthz</a>.</footer>'
            "</body></html>",
        )
    )


def _title(troubled: int) -> str:
    return f"({troubled}) " if troubled else ""


def _summary(process: ProcessSnapshot, seen: Seen | None) -> str:
    states = [mover.state for mover in process.movers]
    parts = [f"{states.count(state)} {state.value}" for state in State if state in states]
    rate = sum(_rate(mover) for mover in process.movers)
    polled = "databases not polled yet"
    if seen is not None:
        polled = f"databases polled {duration(round(time.monotonic() - seen.taken))} ago"
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if not process.planned:
        parts.append("the config has not been read yet")
    return (
        f"<p>{counted(len(states), 'source')}: {', '.join(parts) or 'none'};"
        f" {number(rate)} events/s</p>"
        f'<p class="soft">queue_mover {__version__}, running for'
        f" {duration(time.time() - process.started)}; {now}; {polled}</p>"
    )


def _verdict(process: ProcessSnapshot, seen: Seen | None) -> str:
    sources = seen.overview.sources if seen else ()
    if not sources:
        text, trouble = "not known: the databases have not been polled", True
    else:
        text = where_is_it_slow(sources)
        trouble = any(view.findings for view in sources)
    trouble = trouble or not all(is_healthy(mover) for mover in process.movers)
    kind = "verdict bad" if trouble else "verdict"
    return f'<p class="{kind}"><strong>Where is it slow?</strong> {_sentence(text)}</p>'


def _sentence(text: str) -> str:
    return escape(text[:1].upper() + text[1:]) + "."


def _choice(troubled: int, count: int, *, only_trouble: bool) -> str:
    if only_trouble:
        return f'<p><a href="/">All {count} sources</a></p>'
    if troubled and count > 10:
        return (
            f'<p><a href="/?trouble">Only the {counted(troubled, "source")} with problems</a></p>'
        )
    return ""


def _table(rows: Sequence[_Row]) -> str:
    head = "".join(
        f'<th class="{kind}" scope="col">{title}</th>' if kind else f'<th scope="col">{title}</th>'
        for title, kind in _COLUMNS
    )
    body = "".join(_line(row) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _line(row: _Row) -> str:
    mover, status = row.mover, row.view.source if row.view else None
    lag = status.consumer.lag if status and status.consumer else None
    waiting = backlog(status) if status else None
    quarantined = status.quarantined if status else None
    last = mover.last_batch
    mark = f' <span class="mark">{escape(marks(row.findings))}</span>' if row.findings else ""
    cells = [
        ("name", f"<strong>{escape(mover.source)}</strong>{_route(row)}"),
        ("", f'<span class="state {mover.state.value}">{mover.state.value}</span>{mark}'),
        ("n", duration(lag)),
        ("chart", _lag_chart(row.lags)),
        ("n", number(_rate(mover))),
        ("chart", _rate_chart(mover.rates)),
        ("n", number(waiting)),
        ("n", f"{number(last.events)} in {duration(last.seconds)}" if last else "-"),
        ("n", number(quarantined)),
    ]
    return "<tr>" + "".join(map(_cell, cells)) + "</tr>"


def _cell(cell: tuple[str, str]) -> str:
    kind, text = cell
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"


def _route(row: _Row) -> str:
    if row.view is None:
        return ""
    route = row.view.source.mover.route
    return f"<br><small>{escape(route.queue)} &rarr; {escape(route.target_queue)}</small>"


def _rate(mover: MoverSnapshot) -> float:
    """Events per second over the last RECENT periods, the current one included."""
    return sum(mover.rates[-RECENT:]) / (PERIOD * RECENT)


def _rate_chart(rates: Sequence[float]) -> str:
    if not any(rates):
        return "-"
    meaning = f"peak {number(max(rates) / PERIOD)}/s"
    return f"{steps(rates, 'rate', meaning)}<small>{meaning}</small>"


def _lag_chart(lags: Sequence[float]) -> str:
    known = [lag for lag in lags if math.isfinite(lag)]
    if not known:
        return "-"
    meaning = f"peak {duration(round(max(known)))}"
    return f"{steps(lags, 'lag', meaning, at_least=TALL)}<small>{meaning}</small>"


def _troubles(rows: Sequence[_Row], seen: Seen | None) -> str:
    others = seen.overview.others if seen else ()
    entries = [
        f"<dt>{escape(finding.place.source or 'Status')}</dt>{_finding(finding)}"
        for finding in others
    ]
    entries += [
        f"<dt>{escape(row.mover.source)}</dt>"
        + "".join(map(_error, row.mover.last_errors))
        + "".join(map(_finding, row.findings))
        for row in rows
    ]
    if not entries:
        return ""
    return _details("What needs attention", entries, is_open=len(entries) <= OPEN)


def _recovered(rows: Sequence[_Row]) -> str:
    """The errors of sources that work again, newest first."""
    movers = [row.mover for row in rows if row.mover.last_errors and not row.in_trouble]
    movers.sort(key=lambda mover: -mover.last_errors[0].last)
    entries = [
        f"<dt>{escape(mover.source)}</dt>{''.join(map(_error, mover.last_errors))}"
        for mover in movers[:PAST]
    ]
    return _details("Past errors", entries) if entries else ""


def _details(title: str, terms: Sequence[str], *, is_open: bool = False) -> str:
    return (
        f"<details{' open' if is_open else ''}><summary>{title} ({len(terms)})</summary>"
        f"<dl>{''.join(terms)}</dl></details>"
    )


def _finding(finding: Finding) -> str:
    return _advice(f"{finding.mark}: {finding.text}", finding.remedy)


def _error(error: ErrorSeen) -> str:
    ago = duration(max(0, round(time.time() - error.last)))
    times = f", {error.times} times" if error.times > 1 else ""
    return _advice(f"{error.text} (last {ago} ago{times})", error.remedy)


def _advice(text: str, remedy: str) -> str:
    advice = f'<dd class="remedy">{escape(remedy)}</dd>' if remedy else ""
    return f"<dd>{escape(text)}</dd>{advice}"
