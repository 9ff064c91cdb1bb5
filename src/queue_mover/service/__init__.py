"""Time and failure: one thread per job, stop and reload, backoff, statistics."""
