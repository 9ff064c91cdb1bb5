"""The benchmark: queue_mover3 and its alternatives, measured in the same run.

`python -m bench` runs all rows, `--only NAME` some, `--quick` with small sizes.

| module | what it provides |
|---|---|
| servers | a source and a target cluster with durable settings and PgQ |
| workload | events waiting in a source queue, to be moved again and again |
| contenders | queue_mover3, psql piped into psql, the ancestor's design, postgres_fdw |
| race | the contenders taking turns on the same workload, for several rounds |
| ancestor | the ancestor's design on its own libraries, in its own virtual environment |
| shards, stream | many source databases with one target, and a stream of events |
| figures | medians, ratios, percentiles |
| outcome, report, chart | results as values, as JSON, as Markdown, as SVG |
| rows | one module per row of the table of goals |

The proxy and the meter are the testbed's.
"""
