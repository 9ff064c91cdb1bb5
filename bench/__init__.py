"""The benchmark: queue_mover3 beside what else could do its job, measured in the same run.

`python -m bench` runs all rows, `--only NAME` some, `--quick` with smaller sizes.

| module | what lives there |
|---|---|
| servers | a source and a target cluster with durable settings, and databases with PgQ in them |
| workload | events that wait in a source queue, and a target to bring them to, again and again |
| contenders | queue_mover3, psql piped into psql, the ancestor's design, postgres_fdw |
| race | contenders in turn, several rounds, on the same workload |
| ancestor | the ancestor's design on its own libraries, and the virtual environment it needs |
| shards, stream | many source databases for one process, and events for them |
| figures | medians, ratios, percentiles |
| outcome, report, chart | results as values, as JSON, as Markdown, as SVG |
| rows | one module per row of the table of goals |

The proxy that delays, and the meter of time and memory, are the testbed's.
"""
