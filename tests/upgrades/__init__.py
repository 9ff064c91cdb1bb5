"""Every earlier state of our schemas becomes today's.

`states/` has the SQL files of earlier versions, in the order of their names: what a target had when
positions were recorded first, then with their origins, with what the status shows, with announced
ticks, and with event IDs. 4.0 is the first that carries a version. A change of the schemas adds the
state before it.
"""
