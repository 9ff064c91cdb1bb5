"""Break everything while events move, and count them afterwards.

`python -m torture --seed N --faults N --seconds N` builds two clusters, two source databases and
one target, writes all the time, and injects faults at random. Faults come in rounds; after each
one everything is put right again, the queues are drained, and every event is accounted for.

| module | what it gives |
|---|---|
| servers | the clusters, the databases, the tickers, what can be done to them |
| disk | a small file system that can be filled |
| producer | transactions of mixed length, with a ledger of what was committed |
| observers | consumers that collect, and a watcher that looks for half of something |
| fleet | the movers: a process per source, or one process for all; and their partners |
| faults | each kind of fault, how it is done and how it is undone |
| checks | what must be true after a round |
| rounds | the order of it all |

The clusters run without fsync, with full_page_writes. An immediate restart kills the processes of
the server, not the machine: what they have written is in the kernel's hands, and the next start
finds it. So no fault of ours needs fsync, and without it there are many more of them in a minute.
A server that is killed may leave a page half written, hence full_page_writes.
"""
