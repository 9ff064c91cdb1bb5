"""One module per row of the table of goals."""

from bench.row import Row
from bench.rows import (
    backlog,
    event_ids,
    far,
    idle,
    large_events,
    latency,
    many_idle,
    many_steady,
    many_waiting,
    one_batch,
    profile,
    shaping,
    sharing,
    split,
    start,
    woken,
)

MANY = 1300

ROWS = (
    Row("one_batch", one_batch.million),
    Row("big_batch", one_batch.five_million),
    Row("shaping", shaping.run),
    Row("large_events", large_events.run),
    Row("split", split.run),
    Row("backlog", backlog.run),
    Row("profile", profile.run),
    Row("event_ids", event_ids.run),
    Row("far", far.run),
    Row("latency", latency.run),
    Row("idle", idle.run),
    Row("start", start.run),
    Row("many_idle", many_idle.idle, MANY),
    Row("many_waiting", many_waiting.run, MANY),
    Row("many_steady", many_steady.steady, MANY),
    Row("many_growth", many_idle.growth, MANY),
    Row("woken_latency", woken.latency),
    Row("woken_idle", woken.idle, MANY),
    Row("shared_steady", sharing.steady, MANY),
    Row("shared_waiting", sharing.waiting, MANY),
    Row("many_trouble", many_steady.trouble, MANY),
)
