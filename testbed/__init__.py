"""What tests, demo, benchmark and torture share: real servers, real PgQ, no mocks.

| module | what it gives |
|---|---|
| programs | where PostgreSQL's and PgQ's programs are, and which user may run them |
| reaper | no process and no directory outlives this one, however it dies |
| cluster, database | a private throwaway PostgreSQL cluster, and databases in it |
| queues | PgQ: install, create, produce, tick, rotate |
| ticker | a real pgqd |
| servers | clusters with PgQ in their databases, and with a pgqd |
| proxy | a TCP proxy that delays, holds back, resets, and counts round trips |
| processes | run commands and daemons, wait for something to become true |
| ini | config files with several sections |
| process_usage, meter | measure the time, processor time and memory of processes |
| events | events as values, sets of events, a consumer that collects |
| compare, order | whether a target has all that the sources have: once, unchanged, in order |

Nothing here imports queue_mover, which is judged from outside: through its commands, and by what
stands in the databases.
"""
