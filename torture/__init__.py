"""Inject faults while events move, then account for every event.

`python -m torture --seed N --faults N --seconds N` builds two clusters, two source databases and
one target, writes constantly, and injects faults at random. After each round of faults everything
is repaired, the queues are drained, and every event is accounted for.

| module | what it provides |
|---|---|
| servers | the clusters, databases and tickers, and what can be done to them |
| disk | a small file system that can be filled |
| producer | transactions of mixed sizes, with a ledger of those committed |
| observers | consumers that collect all events, and a watcher for partial transactions |
| threads | background threads that survive crashes of the servers |
| fleet | the movers: a process per source, or one process for all; and standbys |
| faults | each kind of fault: how to inject it and how to undo it |
| checks | what must be true after a round |
| rounds | rounds of faults under load, each followed by the checks |

The clusters run without fsync, but with full_page_writes. An immediate restart kills the server's
processes, not the machine: what they wrote is in the kernel's cache, and the next start finds it.
So no fault needs fsync, and without it we inject many more per minute. A killed server may leave a
half-written page, hence full_page_writes.
"""
