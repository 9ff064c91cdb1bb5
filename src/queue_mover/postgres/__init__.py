"""Connections, statements and locks; the driver's errors become ours here."""
