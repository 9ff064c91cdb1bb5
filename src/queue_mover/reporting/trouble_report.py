"""The lines under the table of a mover's sources: where it is slow, and the last errors."""

from collections.abc import Sequence

from queue_mover.observation.activity import LastError
from queue_mover.observation.findings import REMEDY
from queue_mover.observation.formatting import counted, duration
from queue_mover.observation.overview import SourceView
from queue_mover.observation.verdict import Cause
from queue_mover.reporting.tables import listed

AT_MOST = 5
"""The most lines for one cause, and for last errors."""

OLD = 86400.0
"""Seconds after the recovery from an error until it is no longer shown."""


def lines(sources: Sequence[SourceView]) -> list[str]:
    """Where it is slow, then the last errors; empty if there is neither."""
    return [*_slow(sources), *_errors(sources)]


def _slow(sources: Sequence[SourceView]) -> list[str]:
    result = []
    for cause in Cause:
        views = [each for each in sources if each.verdict.cause is cause]
        if views and cause is not Cause.NOTHING:
            result += _of_cause(cause, views)
    return [*result, ""] if result else []


def _of_cause(cause: Cause, views: Sequence[SourceView]) -> list[str]:
    """One line for all sources with the same remedy; the longest lag first."""
    # The texts differ from source to source by their durations, the remedies do not.
    alike: dict[str, list[SourceView]] = {}
    for view in sorted(views, key=_lag, reverse=True):
        alike.setdefault(view.verdict.remedy, []).append(view)
    shown = list(alike.values())[:AT_MOST]
    rest = len(views) - sum(map(len, shown))
    title = "Not known" if cause is Cause.UNKNOWN else f"Slow: {cause.value}"
    result = [
        f"{title}: {listed([view.source.name for view in each])}{_words(each[0])}" for each in shown
    ]
    return [*result, f"{title}: {counted(rest, 'source')} more"] if rest else result


def _lag(view: SourceView) -> float:
    consumer = view.source.consumer
    return (consumer.waiting if consumer else None) or 0.0


def _words(view: SourceView) -> str:
    """The reason, unless a finding further down gives it."""
    verdict = view.verdict
    if any(finding.text == verdict.text for finding in view.findings):
        return " (see below)"
    return f": {verdict.text}" + (REMEDY + verdict.remedy if verdict.remedy else "")


def _errors(sources: Sequence[SourceView]) -> list[str]:
    """One line for all sources with the same error; those not recovered first."""
    known = [
        (error, view.source.name)
        for view in sources
        if (error := view.source.activity.last_error)
        and (error.recovered is None or error.recovered < OLD)
    ]
    known.sort(key=lambda each: (each[0].recovered is not None, each[0].seen))
    alike: dict[tuple[object, ...], list[tuple[LastError, str]]] = {}
    for error, name in known:
        key = (error.message, error.host, error.pid, error.recovered is None)
        alike.setdefault(key, []).append((error, name))
    shown = list(alike.values())[:AT_MOST]
    result = [
        f"Last error of {listed([name for _, name in each])}, {_error_words(each[0][0])}"
        for each in shown
    ]
    rest = len(known) - sum(map(len, shown))
    more = [f"Last errors of {counted(rest, 'source')} more: --json"] if rest else []
    return [*result, *more, ""] if result else []


def _error_words(error: LastError) -> str:
    over = "not recovered"
    if error.recovered is not None:
        over = f"recovered {duration(error.recovered)} ago"
    where = f"{error.host}, pid {error.pid}"
    return f"{duration(error.began)} ago ({where}), {over}: {error.message}"
