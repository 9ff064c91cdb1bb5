"""Time and failure: loops, stop and reload, backoff, threads. What a job does is not known here."""
