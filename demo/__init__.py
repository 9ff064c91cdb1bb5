"""`make demo`: the main job on real data, and the proof that every event arrived.

| module | what it does |
|---|---|
| servers | two private clusters, four databases, their tickers; removed at the end |
| admin | the pgqadm commands |
| movers | which daemon moves which shards, by which ini file: the layout |
| shop, shop.sql | an application that writes orders, as several writers at once |
| progress | produced, moved, lag: measured while it runs |
| story | what happens, act by act |
| verdict | the comparison of every field of every event, as a table |
| kept | what stays after KEEP=1: how to connect, and how to remove it |
| screen | plain text on 80 columns, with one line that lives when there is a terminal |
"""
