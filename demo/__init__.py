"""`make demo`: the main job on real data, with proof that every event arrived.

| module | what it does |
|---|---|
| servers | two private clusters, four databases, their tickers; removed at the end |
| admin | the pgqadm commands |
| movers | the daemon that moves all shards, and its ini file |
| shop, shop.sql | an application with several concurrent writers of orders |
| progress | produced, moved, lag: measured while it runs |
| kill | SIGKILL in the middle of a batch |
| story | the demo, act by act |
| verdict | the comparison of every field of every event, as a table |
| kept | what remains after KEEP=1: how to connect, and how to remove it |
| screen | plain text in 80 columns, with one live line on a terminal |
| recording, picture | with RECORD=FILE.svg: what the screen showed and when, as an animated SVG |
"""
