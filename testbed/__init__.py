"""What tests, demo, benchmark and torture test share: real servers, real PgQ, no mocks.

| module | what it provides |
|---|---|
| choice | which PostgreSQL is used, and where its PgQ comes from: PGBIN and PGQ_SQL |
| left_out | what tests and demo do without where parts are missing |
| programs | where PostgreSQL's and PgQ's programs are, and which user runs them |
| reaper | no process or directory outlives this process, however it dies |
| memory | a directory in memory, for the files of a cluster |
| cluster, database | a private throwaway PostgreSQL cluster, and its databases |
| encodings | databases in other encodings |
| queues | PgQ: install, create, produce, tick, rotate |
| ticker | a real pgqd |
| servers | clusters with PgQ in their databases, and with a pgqd |
| sessions | an application's sessions, as the server sees them |
| proxy | a TCP proxy that delays, stalls, resets, and counts round trips |
| processes, procfs | run commands and daemons, wait for conditions, inspect processes |
| legacy_mover | a stand-in for a Skytools mover |
| ini, log_lines | write config files, read logs |
| process_usage, meter | measure wall time, CPU time and memory of processes |
| events | events as values, sets of events, a collecting consumer |
| compare, order | whether a target has every source event: once, unchanged, in order |

Nothing here imports queue_mover. The program is judged from the outside: by its commands, and by
the contents of the databases.
"""
